use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use serde_json::Value;

use crate::{
    token::{Keys, Token, text},
    visitor::Visitor,
};

pub const ACCESS_HEADER: &str = "x-amzn-oidc-accesstoken";
pub const CLAIMS_HEADER: &str = "x-amzn-oidc-data";
pub const SUBJECT_HEADER: &str = "x-amzn-oidc-identity";
const HEADERS: [&str; 3] = [ACCESS_HEADER, CLAIMS_HEADER, SUBJECT_HEADER];

/// What two clocks may differ by.
const LEEWAY: Duration = Duration::from_mins(1);

/// Why the headers of a request are not believed; for the log, the sender is told nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Forged(pub &'static str);

/// How much the headers of the load balancer are believed.
#[derive(Default)]
pub enum Login {
    /// As they stand: only the load balancer may reach the port.
    #[default]
    Believed,
    Verified(Box<Verifier>),
}

impl Login {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Believed => "believed",
            Self::Verified(_) => "verified",
        }
    }

    pub fn visitor(&self, headers: &HeaderMap) -> Result<Option<Visitor>, Forged> {
        match self {
            Self::Believed => Ok(Visitor::from_headers(headers)),
            Self::Verified(verifier) => verifier.visitor(headers, SystemTime::now()),
        }
    }
}

/// Believes what the user pool has signed, and of the load balancer's claims those it can verify, too.
pub struct Verifier {
    pub issuer: String,
    pub client: String,
    /// The load balancer that hands the claims on.
    pub signer: String,
    pub access_keys: Keys,
    pub claims_keys: Keys,
}

impl Verifier {
    fn visitor(&self, headers: &HeaderMap, now: SystemTime) -> Result<Option<Visitor>, Forged> {
        if !HEADERS.iter().any(|name| headers.contains_key(*name)) {
            return Ok(None);
        }
        let access = token(headers, ACCESS_HEADER)?.ok_or(Forged("there is no access token"))?;
        let subject = self.verify_access(&access, now)?;
        if single(headers, SUBJECT_HEADER)?.is_some_and(|stated| stated != subject) {
            return Err(Forged("the identity is not the one of the access token"));
        }
        let email = match token(headers, CLAIMS_HEADER)? {
            Some(claims) => self.email(&claims, subject, now)?,
            None => None,
        };
        let name = text(&access.claims, "username")
            .unwrap_or(subject)
            .to_owned();
        Ok(Some(Visitor { name, email }))
    }

    /// Returns the subject of an access token that the pool made for this client and that is still valid.
    fn verify_access<'a>(&self, token: &'a Token, now: SystemTime) -> Result<&'a str, Forged> {
        if !token.is_signed_by(&self.access_keys) {
            return Err(Forged("the access token is not signed by the user pool"));
        }
        for (name, expected) in [
            ("iss", self.issuer.as_str()),
            ("client_id", &self.client),
            ("token_use", "access"),
        ] {
            expect(
                &token.claims,
                name,
                expected,
                "the access token is not for this app",
            )?;
        }
        expect_unexpired(&token.claims, now, "the access token has expired")?;
        text(&token.claims, "sub").ok_or(Forged("the access token names nobody"))
    }

    /// Returns the email if the load balancer's key is known; what cannot be verified is not shown.
    fn email(
        &self,
        token: &Token,
        subject: &str,
        now: SystemTime,
    ) -> Result<Option<String>, Forged> {
        for (name, expected) in [
            ("alg", "ES256"),
            ("signer", &self.signer),
            ("iss", &self.issuer),
            ("client", &self.client),
        ] {
            expect(
                &token.header,
                name,
                expected,
                "the claims are not of this load balancer",
            )?;
        }
        expect_unexpired(&token.header, now, "the claims have expired")?;
        expect(
            &token.claims,
            "sub",
            subject,
            "the claims are those of somebody else",
        )?;
        if !token.names_key_of(&self.claims_keys) {
            return Ok(None);
        }
        if !token.is_signed_by(&self.claims_keys) {
            return Err(Forged("the claims are not signed by the load balancer"));
        }
        Ok(text(&token.claims, "email").map(str::to_owned))
    }
}

/// The value of a header that stands there at most once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Forged> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Forged("a header of the login stands there twice"));
    }
    value
        .map(|value| {
            value
                .to_str()
                .map_err(|_| Forged("a header of the login is no text"))
        })
        .transpose()
}

fn token(headers: &HeaderMap, name: &str) -> Result<Option<Token>, Forged> {
    single(headers, name)?
        .map(|text| Token::parse(text).ok_or(Forged("a header of the login is no token")))
        .transpose()
}

fn expect(
    object: &Value,
    name: &str,
    expected: &str,
    otherwise: &'static str,
) -> Result<(), Forged> {
    (text(object, name) == Some(expected))
        .then_some(())
        .ok_or(Forged(otherwise))
}

fn expect_unexpired(
    object: &Value,
    now: SystemTime,
    otherwise: &'static str,
) -> Result<(), Forged> {
    object
        .get("exp")
        .and_then(Value::as_u64)
        .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .and_then(|expiry| expiry.checked_add(LEEWAY))
        .filter(|end| now < *end)
        .map(|_| ())
        .ok_or(Forged(otherwise))
}

#[cfg(test)]
pub mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::token::tests::{Balancer, P256_ID, Pool, RSA_ID};

    const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a1B2";
    const CLIENT: &str = "7abc";
    const SIGNER: &str =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/hello/50dc";
    const NOW: u64 = 2_000_000_000;

    /// The two signers of a login, and what they sign when all is well.
    pub struct Stage {
        pool: Pool,
        balancer: Balancer,
    }

    impl Stage {
        pub fn new() -> Self {
            Self {
                pool: Pool::new(),
                balancer: Balancer::new(),
            }
        }

        pub fn verifier(&self) -> Verifier {
            Verifier {
                issuer: ISSUER.to_owned(),
                client: CLIENT.to_owned(),
                signer: SIGNER.to_owned(),
                access_keys: Keys::from_key_set(&self.pool.key_set()).unwrap(),
                claims_keys: Keys::from_pems(&self.balancer.pems()).unwrap(),
            }
        }

        /// A token whose claims are changed by `change`, valid for an hour from `now`.
        pub fn access(&self, now: u64, change: &Value) -> String {
            let claims = json!({"sub": "5f0e", "iss": ISSUER, "client_id": CLIENT, "token_use": "access",
                "username": "alice", "exp": now + 3600});
            self.pool.sign(
                &json!({"alg": "RS256", "kid": RSA_ID}),
                &merged(claims, change),
            )
        }

        fn claims(&self, header: &Value, claims: &Value) -> String {
            let good = json!({"alg": "ES256", "typ": "JWT", "kid": P256_ID, "signer": SIGNER, "iss": ISSUER,
                "client": CLIENT, "exp": NOW + 120});
            let own = json!({"sub": "5f0e", "username": "alice", "email": "alice@example.com"});
            self.balancer
                .sign(&merged(good, header), &merged(own, claims))
        }
    }

    fn merged(mut object: Value, change: &Value) -> Value {
        for (name, value) in change.as_object().unwrap() {
            object[name] = value.clone();
        }
        object
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn verify(stage: &Stage, pairs: &[(&'static str, &str)]) -> Result<Option<Visitor>, Forged> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        stage.verifier().visitor(&headers(pairs), now)
    }

    fn alice(email: Option<&str>) -> Visitor {
        Visitor {
            name: "alice".to_owned(),
            email: email.map(str::to_owned),
        }
    }

    #[test]
    fn nobody_without_headers() {
        assert_eq!(verify(&Stage::new(), &[]), Ok(None));
    }

    #[test]
    fn the_access_token_is_enough() {
        let stage = Stage::new();
        let access = stage.access(NOW, &json!({}));
        assert_eq!(
            verify(&stage, &[(ACCESS_HEADER, &access)]),
            Ok(Some(alice(None)))
        );
    }

    #[test]
    fn the_email_is_shown_when_the_load_balancers_key_is_known() {
        let stage = Stage::new();
        let (access, claims) = (
            stage.access(NOW, &json!({})),
            stage.claims(&json!({}), &json!({})),
        );
        let all = [
            (ACCESS_HEADER, access.as_str()),
            (CLAIMS_HEADER, &claims),
            (SUBJECT_HEADER, "5f0e"),
        ];
        assert_eq!(
            verify(&stage, &all),
            Ok(Some(alice(Some("alice@example.com"))))
        );
    }

    #[test]
    fn claims_signed_with_an_unknown_key_add_nothing() {
        let stage = Stage::new();
        let access = stage.access(NOW, &json!({}));
        let claims = stage.claims(
            &json!({"kid": "rotated"}),
            &json!({"email": "mallory@example.com"}),
        );
        let both = [(ACCESS_HEADER, access.as_str()), (CLAIMS_HEADER, &claims)];
        assert_eq!(verify(&stage, &both), Ok(Some(alice(None))));
    }

    #[test]
    fn headers_without_an_access_token_are_refused() {
        let stage = Stage::new();
        let claims = stage.claims(&json!({}), &json!({}));
        for forged in [(CLAIMS_HEADER, claims.as_str()), (SUBJECT_HEADER, "5f0e")] {
            assert_eq!(
                verify(&stage, &[forged]),
                Err(Forged("there is no access token"))
            );
        }
    }

    #[test]
    fn an_access_token_for_something_else_is_refused() {
        let stage = Stage::new();
        for (change, reason) in [
            (
                json!({"iss": "https://elsewhere"}),
                "the access token is not for this app",
            ),
            (
                json!({"client_id": "other"}),
                "the access token is not for this app",
            ),
            (
                json!({"token_use": "id"}),
                "the access token is not for this app",
            ),
            (json!({"exp": NOW - 61}), "the access token has expired"),
            (json!({"exp": null}), "the access token has expired"),
            (json!({"exp": "never"}), "the access token has expired"),
            (json!({"sub": ""}), "the access token names nobody"),
        ] {
            let access = stage.access(NOW, &change);
            assert_eq!(
                verify(&stage, &[(ACCESS_HEADER, &access)]),
                Err(Forged(reason)),
                "{change}"
            );
        }
    }

    #[test]
    fn an_access_token_of_another_signer_is_refused() {
        let stage = Stage::new();
        let claims = json!({"sub": "5f0e", "iss": ISSUER, "client_id": CLIENT, "token_use": "access",
            "exp": NOW + 3600});
        let forged = Balancer::new().sign(&json!({"alg": "RS256", "kid": RSA_ID}), &claims);
        assert_eq!(
            verify(&stage, &[(ACCESS_HEADER, &forged)]),
            Err(Forged("the access token is not signed by the user pool"))
        );
    }

    #[test]
    fn claims_that_do_not_fit_are_refused() {
        let stage = Stage::new();
        let access = stage.access(NOW, &json!({}));
        for (header, claims, reason) in [
            (
                json!({"signer": "arn:other"}),
                json!({}),
                "the claims are not of this load balancer",
            ),
            (
                json!({"client": "other"}),
                json!({}),
                "the claims are not of this load balancer",
            ),
            (
                json!({"iss": "https://elsewhere"}),
                json!({}),
                "the claims are not of this load balancer",
            ),
            (
                json!({"alg": "none"}),
                json!({}),
                "the claims are not of this load balancer",
            ),
            (
                json!({"exp": NOW - 61}),
                json!({}),
                "the claims have expired",
            ),
            (
                json!({}),
                json!({"sub": "0000"}),
                "the claims are those of somebody else",
            ),
        ] {
            let data = stage.claims(&header, &claims);
            let both = [(ACCESS_HEADER, access.as_str()), (CLAIMS_HEADER, &data)];
            assert_eq!(
                verify(&stage, &both),
                Err(Forged(reason)),
                "{header} {claims}"
            );
        }
    }

    #[test]
    fn claims_with_a_forged_signature_are_refused() {
        let (stage, other) = (Stage::new(), Stage::new());
        let (access, claims) = (
            stage.access(NOW, &json!({})),
            other.claims(&json!({}), &json!({})),
        );
        assert_eq!(
            verify(
                &stage,
                &[(ACCESS_HEADER, &access), (CLAIMS_HEADER, &claims)]
            ),
            Err(Forged("the claims are not signed by the load balancer"))
        );
    }

    #[test]
    fn doubled_broken_and_strange_headers_are_refused() {
        let stage = Stage::new();
        let access = stage.access(NOW, &json!({}));
        let good = (ACCESS_HEADER, access.as_str());
        for (bad, reason) in [
            (good, "a header of the login stands there twice"),
            (
                (CLAIMS_HEADER, "no.token"),
                "a header of the login is no token",
            ),
            (
                (SUBJECT_HEADER, "0000"),
                "the identity is not the one of the access token",
            ),
            (
                (SUBJECT_HEADER, "\u{e9}"),
                "a header of the login is no text",
            ),
        ] {
            assert_eq!(verify(&stage, &[good, bad]), Err(Forged(reason)));
        }
    }
}
