use std::time::Instant;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tracing::info;

use crate::{page, visitor::Visitor};

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

pub fn app() -> Router {
    Router::new()
        .route("/", get(front_page))
        .route("/healthz", get(async || "ok"))
        .fallback(async || (StatusCode::NOT_FOUND, "not found"))
        .layer(middleware::from_fn(log_request))
}

async fn front_page(headers: HeaderMap) -> impl IntoResponse {
    let visitor = Visitor::from_headers(&headers);
    (PAGE_HEADERS, Html(page::render(visitor.as_ref())))
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
    use crate::visitor::tests::token;

    async fn answer(request: Request) -> (StatusCode, HeaderMap, String) {
        let (head, body) = app().oneshot(request).await.unwrap().into_parts();
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
