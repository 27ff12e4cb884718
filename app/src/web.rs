use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{AppendHeaders, Html, IntoResponse, Response},
    routing::get,
};
use tracing::{info, warn};

use crate::{login::Login, page, settings::Logout};

/// The page carries its own style and needs nothing else, so the browser may forbid the rest.
const PAGE_HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

struct Context {
    login: Login,
    logout: Option<Logout>,
}

pub fn app(login: Login, logout: Option<Logout>) -> Router {
    Router::new()
        .route("/", get(front_page))
        .route("/logout", get(log_out))
        .route("/logged-out", get(logged_out_page))
        .route("/healthz", get(async || "ok"))
        .fallback(async || (StatusCode::NOT_FOUND, "not found"))
        .layer(middleware::from_fn(log_request))
        .with_state(Arc::new(Context { login, logout }))
}

async fn front_page(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    match context.login.visitor(&headers) {
        Ok(visitor) => {
            let can_log_out = context.logout.is_some();
            let page = page::render(visitor.as_ref(), can_log_out);
            (PAGE_HEADERS, Html(page)).into_response()
        }
        Err(forged) => {
            warn!(reason = forged.0, "login refused");
            let no_store = [(header::CACHE_CONTROL, "no-store")];
            (StatusCode::UNAUTHORIZED, no_store, "not logged in").into_response()
        }
    }
}

/// Ends the session here and goes on to where the one with the user pool is ended.
async fn log_out(State(context): State<Arc<Context>>) -> Response {
    let Some(logout) = &context.logout else {
        return (StatusCode::NOT_FOUND, "not found").into_response();
    };
    let expired = logout.cookies.iter().map(|name| {
        let cookie = format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly");
        (header::SET_COOKIE, cookie)
    });
    let onward = [
        (header::LOCATION, logout.address.as_str()),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (
        StatusCode::FOUND,
        onward,
        AppendHeaders(expired.collect::<Vec<_>>()),
    )
        .into_response()
}

async fn logged_out_page() -> impl IntoResponse {
    (PAGE_HEADERS, Html(page::render_logged_out()))
}

/// Leaves the query out: it may carry what must not be kept.
async fn log_request(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = Instant::now();
    let response = next.run(request).await;
    let microseconds = began.elapsed().as_secs_f64() * 1e6;
    info!(
        %method,
        path,
        status = response.status().as_u16(),
        latency_ms = microseconds.round() / 1e3,
        "request"
    );
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;
    use crate::{login::tests::Stage, visitor::tests::token};

    async fn answer(request: Request) -> (StatusCode, HeaderMap, String) {
        answer_of(app(Login::Believed, None), request).await
    }

    async fn answer_of(app: Router, request: Request) -> (StatusCode, HeaderMap, String) {
        let (head, body) = app.oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (
            head.status,
            head.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn get_path(path: &str) -> (StatusCode, HeaderMap, String) {
        answer(Request::get(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn front_page_greets() {
        let (status, headers, page) = get_path("/").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY));
        assert!(page.contains("Hello World from Rust app"));
        assert!(page.contains("Nobody is logged in."));
    }

    #[tokio::test]
    async fn front_page_shows_who_is_logged_in() {
        let claims = json!({"username": "alice", "email": "alice@example.com"});
        let request = Request::get("/")
            .header("x-amzn-oidc-identity", "5f0e")
            .header("x-amzn-oidc-data", token(&claims))
            .body(Body::empty())
            .unwrap();
        let (status, _, page) = answer(request).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("<strong>alice</strong>"));
        assert!(page.contains("alice@example.com"));
        assert!(!page.contains("5f0e"));
    }

    fn now() -> u64 {
        let since = std::time::UNIX_EPOCH.elapsed();
        since.unwrap().as_secs()
    }

    #[tokio::test]
    async fn a_verified_login_shows_who_it_is_and_a_forged_one_is_refused() {
        let stage = Stage::new();
        let verifying = || app(Login::Verified(Box::new(stage.verifier())), None);
        let request = |name: &str, value: String| {
            let asked = Request::get("/").header(name, value);
            asked.body(Body::empty()).unwrap()
        };

        let access = stage.access(now(), &json!({}));
        let good = request("x-amzn-oidc-accesstoken", access);
        let (status, _, page) = answer_of(verifying(), good).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("<strong>alice</strong>"));

        let forged = token(&json!({"username": "mallory"}));
        for name in [
            "x-amzn-oidc-accesstoken",
            "x-amzn-oidc-data",
            "x-amzn-oidc-identity",
        ] {
            let (status, headers, body) =
                answer_of(verifying(), request(name, forged.clone())).await;
            assert_eq!(
                (status, body.as_str()),
                (StatusCode::UNAUTHORIZED, "not logged in")
            );
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        }
        let none = Request::get("/").body(Body::empty()).unwrap();
        assert_eq!(answer_of(verifying(), none).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn logout_expires_every_cookie_and_goes_on() {
        let logout = Logout {
            address: "https://auth.example.com/logout?client_id=7abc".to_owned(),
            cookies: vec!["a-0".to_owned(), "a-1".to_owned()],
        };
        let request = Request::get("/logout").body(Body::empty()).unwrap();
        let (status, headers, _) = answer_of(app(Login::Believed, Some(logout)), request).await;
        assert_eq!(status, StatusCode::FOUND);
        assert_eq!(
            headers[header::LOCATION],
            "https://auth.example.com/logout?client_id=7abc"
        );
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(
            cookies,
            [
                "a-0=; Path=/; Max-Age=0; Secure; HttpOnly",
                "a-1=; Path=/; Max-Age=0; Secure; HttpOnly"
            ]
        );
    }

    #[tokio::test]
    async fn without_a_logout_there_is_none() {
        assert_eq!(get_path("/logout").await.0, StatusCode::NOT_FOUND);
        let (status, _, page) = get_path("/logged-out").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("You are logged out."));
    }

    #[tokio::test]
    async fn healthz_is_ok() {
        let (status, _, body) = get_path("/healthz").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
    }

    #[tokio::test]
    async fn any_other_path_is_not_found() {
        for path in ["/nothing", "/healthz/", "/index.html"] {
            let (status, _, body) = get_path(path).await;
            assert_eq!(
                (status, body.as_str()),
                (StatusCode::NOT_FOUND, "not found")
            );
        }
    }

    #[tokio::test]
    async fn writing_is_not_allowed() {
        let request = Request::post("/").body(Body::empty()).unwrap();
        assert_eq!(answer(request).await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
