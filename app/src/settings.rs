use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
};

use crate::{
    login::{Login, Verifier},
    token::Keys,
};

const DEFAULT_PORT: u16 = 3000;
const DEFAULT_COOKIE: &str = "AWSELBAuthSessionCookie";

/// A session is cut into pieces of 4 KiB and has at most 16 KiB.
const COOKIE_PIECES: u8 = 4;

/// What ends a session: its cookies, and the page that ends the one with the user pool.
#[derive(Debug, PartialEq, Eq)]
pub struct Logout {
    pub address: String,
    pub cookies: Vec<String>,
}

/// How the login is verified; half a configuration is an error, never a weaker login.
pub fn login(variable: impl Fn(&str) -> Option<OsString>) -> Result<Login, String> {
    const REQUIRED: [&str; 4] = [
        "LOGIN_KEYS",
        "LOGIN_ISSUER",
        "LOGIN_CLIENT_ID",
        "LOGIN_SIGNER",
    ];
    let values = REQUIRED.map(|name| text(&variable, name));
    let [keys, issuer, client, signer] = values.each_ref().map(Option::as_ref);
    let (Some(keys), Some(issuer), Some(client), Some(signer)) = (keys, issuer, client, signer)
    else {
        let missing: Vec<_> = REQUIRED
            .iter()
            .zip(&values)
            .filter_map(|(name, value)| value.is_none().then_some(*name))
            .collect();
        return if missing.len() == REQUIRED.len() {
            Ok(Login::Believed)
        } else {
            Err(format!(
                "to verify the login, set {}, too",
                missing.join(" and ")
            ))
        };
    };
    let claims_keys = text(&variable, "LOGIN_CLAIMS_KEYS").unwrap_or_else(|| "{}".to_owned());
    Ok(Login::Verified(Box::new(Verifier {
        issuer: issuer.clone(),
        client: client.clone(),
        signer: signer.clone(),
        access_keys: Keys::from_key_set(keys)
            .map_err(|problem| format!("LOGIN_KEYS cannot be used: {problem}"))?,
        claims_keys: Keys::from_pems(&claims_keys)
            .map_err(|problem| format!("LOGIN_CLAIMS_KEYS cannot be used: {problem}"))?,
    })))
}

/// Where `/logout` leads, if it leads anywhere.
pub fn logout(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Logout>, String> {
    let Some(address) = text(&variable, "LOGOUT_URL") else {
        return Ok(None);
    };
    if !address.starts_with("https://") || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "LOGOUT_URL must be an https address, not {address:?}"
        ));
    }
    let cookie = text(&variable, "SESSION_COOKIE").unwrap_or_else(|| DEFAULT_COOKIE.to_owned());
    if !cookie
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(format!(
            "SESSION_COOKIE must be the name of a cookie, not {cookie:?}"
        ));
    }
    let cookies = (0..COOKIE_PIECES)
        .map(|piece| format!("{cookie}-{piece}"))
        .collect();
    Ok(Some(Logout { address, cookies }))
}

/// An empty variable is none: platforms cannot always leave one out.
fn text(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<String> {
    variable(name)
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty())
}

/// Where to listen, from the values of `HOST` and `PORT`; the error is a sentence for the log.
pub fn listen_address(
    host: Option<OsString>,
    port: Option<OsString>,
) -> Result<SocketAddr, String> {
    Ok(SocketAddr::new(parse_host(host)?, parse_port(port)?))
}

fn parse_host(value: Option<OsString>) -> Result<IpAddr, String> {
    let Some(value) = value else {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    };
    let text = value.to_string_lossy();
    text.parse()
        .map_err(|_| format!("HOST must be an IP address, not {text:?}"))
}

fn parse_port(value: Option<OsString>) -> Result<u16, String> {
    let Some(value) = value else {
        return Ok(DEFAULT_PORT);
    };
    let text = value.to_string_lossy();
    text.parse::<NonZeroU16>()
        .map(NonZeroU16::get)
        .map_err(|_| format!("PORT must be a whole number from 1 to 65535, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::token::tests::Pool;

    fn variables(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let pairs: Vec<(String, OsString)> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.into()))
            .collect();
        move |name| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        }
    }

    fn login_of(pairs: &[(&str, &str)]) -> Result<&'static str, String> {
        login(variables(pairs)).map(|login| login.name())
    }

    #[test]
    fn headers_are_believed_unless_all_of_a_verification_is_given() {
        let keys = Pool::new().key_set();
        let all = [
            ("LOGIN_KEYS", keys.as_str()),
            ("LOGIN_ISSUER", "https://issuer"),
            ("LOGIN_CLIENT_ID", "client"),
            ("LOGIN_SIGNER", "arn"),
        ];
        assert_eq!(login_of(&[]), Ok("believed"));
        assert_eq!(login_of(&all.map(|(name, _)| (name, ""))), Ok("believed"));
        assert_eq!(login_of(&all), Ok("verified"));
        assert_eq!(
            login_of(&all[..2]),
            Err("to verify the login, set LOGIN_CLIENT_ID and LOGIN_SIGNER, too".to_owned())
        );
        assert_eq!(
            login_of(&all[1..]),
            Err("to verify the login, set LOGIN_KEYS, too".to_owned())
        );
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused() {
        let keys = Pool::new().key_set();
        let rest = [
            ("LOGIN_ISSUER", "i"),
            ("LOGIN_CLIENT_ID", "c"),
            ("LOGIN_SIGNER", "s"),
        ];
        let with = |more: &[(&'static str, &'static str)]| login_of(&[&rest[..], more].concat());
        assert_eq!(
            with(&[("LOGIN_KEYS", "{}")]),
            Err("LOGIN_KEYS cannot be used: it has no list of keys".to_owned())
        );
        let claims = [
            ("LOGIN_KEYS", keys.as_str()),
            ("LOGIN_CLAIMS_KEYS", r#"{"a": ""}"#),
        ];
        assert_eq!(
            login_of(&[&rest[..], &claims].concat()),
            Err("LOGIN_CLAIMS_KEYS cannot be used: a is no P-256 key in PEM".to_owned())
        );
    }

    #[test]
    fn a_logout_ends_every_piece_of_the_session() {
        assert_eq!(logout(variables(&[])), Ok(None));
        let found = logout(variables(&[
            ("LOGOUT_URL", "https://auth/logout?a=b"),
            ("SESSION_COOKIE", "mine"),
        ]));
        let pieces = ["mine-0", "mine-1", "mine-2", "mine-3"].map(str::to_owned);
        assert_eq!(
            found,
            Ok(Some(Logout {
                address: "https://auth/logout?a=b".to_owned(),
                cookies: pieces.into()
            }))
        );
        let usual = logout(variables(&[("LOGOUT_URL", "https://auth/")]))
            .unwrap()
            .unwrap();
        assert_eq!(usual.cookies[0], "AWSELBAuthSessionCookie-0");
    }

    #[test]
    fn a_logout_that_cannot_work_is_refused() {
        for address in [
            "auth",
            "http://auth/",
            "https://auth/ x",
            "https://auth/\r\nX: y",
        ] {
            assert!(
                logout(variables(&[("LOGOUT_URL", address)])).is_err(),
                "{address}"
            );
        }
        let strange = [
            ("LOGOUT_URL", "https://auth/"),
            ("SESSION_COOKIE", "a=b; c"),
        ];
        assert!(logout(variables(&strange)).is_err());
    }

    fn with_port(port: &str) -> Result<SocketAddr, String> {
        listen_address(None, Some(port.into()))
    }

    #[test]
    fn defaults_to_port_3000_on_every_interface() {
        assert_eq!(listen_address(None, None), Ok(([0, 0, 0, 0], 3000).into()));
    }

    #[test]
    fn takes_host_and_port() {
        assert_eq!(
            listen_address(Some("127.0.0.1".into()), Some("8080".into())),
            Ok(([127, 0, 0, 1], 8080).into())
        );
    }

    #[test]
    fn refuses_what_is_no_port() {
        for port in ["", "http", "0", "-1", "65536", "80 ", "3000.0"] {
            assert_eq!(
                with_port(port),
                Err(format!(
                    "PORT must be a whole number from 1 to 65535, not {port:?}"
                ))
            );
        }
    }

    #[test]
    fn refuses_a_port_that_is_not_text() {
        let port = OsString::from_vec(vec![0xff]);
        assert!(listen_address(None, Some(port)).is_err());
    }

    #[test]
    fn refuses_what_is_no_address() {
        assert_eq!(
            listen_address(Some("localhost".into()), None),
            Err("HOST must be an IP address, not \"localhost\"".to_owned())
        );
    }
}
