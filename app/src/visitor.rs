use axum::http::HeaderMap;
use serde_json::Value;

use crate::{
    login::{CLAIMS_HEADER, SUBJECT_HEADER},
    token::{Token, text},
};

/// Who is logged in, as the load balancer says.
#[derive(Debug, PartialEq, Eq)]
pub struct Visitor {
    pub name: String,
    pub email: Option<String>,
}

impl Visitor {
    /// Believes the headers unverified: only the load balancer may reach the port (see README).
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let claims = header(headers, CLAIMS_HEADER)
            .and_then(Token::parse)
            .map_or(Value::Null, |token| token.claims);
        let claim = |name| text(&claims, name).map(str::to_owned);
        let email = claim("email");
        let subject = header(headers, SUBJECT_HEADER).map(str::to_owned);
        let name = claim("username").or_else(|| email.clone()).or(subject)?;
        Some(Self { name, email })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
pub mod tests {
    use axum::http::HeaderValue;
    use base64::{
        Engine,
        engine::{
            GeneralPurpose,
            general_purpose::{URL_SAFE as PADDED, URL_SAFE_NO_PAD as BARE},
        },
    };
    use serde_json::json;

    use super::*;

    /// A token as the load balancer writes it: every part base64url with padding.
    pub fn token(claims: &Value) -> String {
        token_in(&PADDED, claims)
    }

    fn token_in(base64: &GeneralPurpose, claims: &Value) -> String {
        let header = base64.encode(r#"{"alg":"ES256","typ":"JWT"}"#);
        let payload = base64.encode(claims.to_string());
        let signature = base64.encode([7; 64]);
        format!("{header}.{payload}.{signature}")
    }

    fn visitor(data: Option<&str>, identity: Option<&str>) -> Option<Visitor> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(CLAIMS_HEADER, data), (SUBJECT_HEADER, identity)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        Visitor::from_headers(&headers)
    }

    fn named(name: &str, email: Option<&str>) -> Visitor {
        Visitor {
            name: name.to_owned(),
            email: email.map(str::to_owned),
        }
    }

    #[test]
    fn nobody_without_headers() {
        assert_eq!(visitor(None, None), None);
    }

    #[test]
    fn username_and_email_come_from_the_claims() {
        let token = token(&json!({"username": "alice", "email": "alice@example.com"}));
        assert_eq!(
            visitor(Some(&token), Some("5f0e")),
            Some(named("alice", Some("alice@example.com")))
        );
    }

    #[test]
    fn padding_is_optional() {
        for name in ["a", "al", "ali", "alic", "ünïcödé"] {
            let claims = json!({"username": name});
            for base64 in [&PADDED, &BARE] {
                let token = token_in(base64, &claims);
                assert_eq!(
                    visitor(Some(&token), None),
                    Some(named(name, None)),
                    "{token}"
                );
            }
        }
    }

    #[test]
    fn email_stands_in_for_a_missing_username() {
        let token = token(&json!({"email": "alice@example.com"}));
        assert_eq!(
            visitor(Some(&token), Some("5f0e")),
            Some(named("alice@example.com", Some("alice@example.com")))
        );
    }

    #[test]
    fn identity_stands_in_for_missing_claims() {
        for claims in [
            json!({}),
            json!({"username": 7, "email": ""}),
            json!(["alice"]),
        ] {
            assert_eq!(
                visitor(Some(&token(&claims)), Some("5f0e")),
                Some(named("5f0e", None))
            );
        }
        assert_eq!(visitor(None, Some("5f0e")), Some(named("5f0e", None)));
    }

    #[test]
    fn a_broken_token_names_nobody() {
        let good = token(&json!({"username": "alice"}));
        let (two_parts, four_parts) = (good.rsplit_once('.').unwrap().0, format!("{good}.x"));
        let not_json = format!("e30.{}.e30", PADDED.encode("alice"));
        for broken in [
            "",
            "alice",
            "a.!!.c",
            "a..c",
            two_parts,
            &four_parts,
            &not_json,
        ] {
            assert_eq!(visitor(Some(broken), None), None, "{broken}");
            assert_eq!(
                visitor(Some(broken), Some("5f0e")),
                Some(named("5f0e", None))
            );
        }
    }

    #[test]
    fn an_empty_identity_names_nobody() {
        assert_eq!(visitor(None, Some("")), None);
    }

    #[test]
    fn header_bytes_that_are_no_text_name_nobody() {
        let mut headers = HeaderMap::new();
        headers.insert(SUBJECT_HEADER, HeaderValue::from_bytes(&[0xff]).unwrap());
        assert_eq!(Visitor::from_headers(&headers), None);
    }
}
