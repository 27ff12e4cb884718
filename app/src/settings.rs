use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
};

const DEFAULT_PORT: u16 = 3000;

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
