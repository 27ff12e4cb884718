use std::collections::HashMap;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The load balancer pads its tokens; the JWT standard does not.
const TOKEN_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);
const PEM_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);

/// How a public key of the curve P-256 begins; the point follows, uncompressed, in 65 bytes.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A JSON web token, taken apart; nothing in it is verified.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Token {
    pub fn parse(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: decode(header)?,
            claims: decode(claims)?,
            signed: signed.as_bytes().to_vec(),
            signature: TOKEN_BASE64.decode(signature).ok()?,
        })
    }

    /// Whether one of the keys, the one that the token names, has signed it.
    pub fn is_signed_by(&self, keys: &Keys) -> bool {
        text(&self.header, "kid")
            .and_then(|id| keys.0.get(id))
            .is_some_and(|key| {
                text(&self.header, "alg") == Some(key.algorithm())
                    && key.verify(&self.signed, &self.signature)
            })
    }

    pub fn names_key_of(&self, keys: &Keys) -> bool {
        text(&self.header, "kid").is_some_and(|id| keys.0.contains_key(id))
    }
}

/// A member that is text with something in it.
pub fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&TOKEN_BASE64.decode(part).ok()?).ok()
}

/// The public keys of a signer by their ids.
#[derive(Default)]
pub struct Keys(HashMap<String, Key>);

impl Keys {
    /// Reads a JSON Web Key Set with RSA keys, as Cognito publishes it.
    pub fn from_key_set(json: &str) -> Result<Self, String> {
        let set: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let keys = set["keys"].as_array().ok_or("it has no list of keys")?;
        let keys: HashMap<_, _> = keys
            .iter()
            .map(rsa_key)
            .collect::<Option<_>>()
            .ok_or("one of its keys is no RSA key with kid, n and e")?;
        if keys.is_empty() {
            return Err("it holds no key".to_owned());
        }
        Ok(Self(keys))
    }

    /// Reads an object of key ids and PEM texts, as the load balancer publishes each key.
    pub fn from_pems(json: &str) -> Result<Self, String> {
        let pems: HashMap<String, String> =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        let keys = pems.into_iter().map(|(id, pem)| {
            let key = p256_key(&pem).ok_or_else(|| format!("{id} is no P-256 key in PEM"))?;
            Ok((id, key))
        });
        keys.collect::<Result<_, String>>().map(Self)
    }
}

enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { point: Vec<u8> },
}

impl Key {
    /// The only algorithm a key of this kind is good for; the token has no say in it.
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::P256 { .. } => "ES256",
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok(),
            Self::P256 { point } => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
        }
    }
}

fn rsa_key(key: &Value) -> Option<(String, Key)> {
    if text(key, "kty")? != "RSA" {
        return None;
    }
    let number = |name| TOKEN_BASE64.decode(text(key, name)?).ok();
    let (modulus, exponent) = (number("n")?, number("e")?);
    Some((text(key, "kid")?.to_owned(), Key::Rsa { modulus, exponent }))
}

fn p256_key(pem: &str) -> Option<Key> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = PEM_BASE64.decode(body).ok()?;
    let point = der.strip_prefix(&P256_PREFIX)?;
    (point.len() == 65).then(|| Key::P256 {
        point: point.to_vec(),
    })
}

#[cfg(test)]
pub mod tests {
    use base64::engine::general_purpose::{
        STANDARD as PEM, URL_SAFE as PADDED, URL_SAFE_NO_PAD as BARE,
    };
    use ring::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
        },
    };
    use serde_json::json;

    use super::*;

    pub const RSA_ID: &str = "access-key";
    pub const P256_ID: &str = "claims-key";

    /// Signs like a user pool: no padding, RS256. Its key was made for these tests and opens nothing.
    pub struct Pool(RsaKeyPair);

    impl Pool {
        pub fn new() -> Self {
            Self(RsaKeyPair::from_pkcs8(include_bytes!("../tests/signer.pk8")).unwrap())
        }

        pub fn key_set(&self) -> String {
            let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.0.public());
            let (n, e) = (BARE.encode(public.n), BARE.encode(public.e));
            json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": RSA_ID, "n": n, "e": e}]})
                .to_string()
        }

        pub fn sign(&self, header: &Value, claims: &Value) -> String {
            let signed = format!(
                "{}.{}",
                BARE.encode(header.to_string()),
                BARE.encode(claims.to_string())
            );
            let mut signature = vec![0; self.0.public().modulus_len()];
            self.0
                .sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    signed.as_bytes(),
                    &mut signature,
                )
                .unwrap();
            format!("{signed}.{}", BARE.encode(signature))
        }
    }

    /// Signs like a load balancer: with padding, ES256.
    pub struct Balancer(EcdsaKeyPair);

    impl Balancer {
        pub fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
        }

        pub fn pems(&self) -> String {
            let der = [&P256_PREFIX, self.0.public_key().as_ref()].concat();
            let pem = format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                PEM.encode(der)
            );
            json!({ P256_ID: pem }).to_string()
        }

        pub fn sign(&self, header: &Value, claims: &Value) -> String {
            let signed = format!(
                "{}.{}",
                PADDED.encode(header.to_string()),
                PADDED.encode(claims.to_string())
            );
            let signature = self
                .0
                .sign(&SystemRandom::new(), signed.as_bytes())
                .unwrap();
            format!("{signed}.{}", PADDED.encode(signature))
        }
    }

    fn header(algorithm: &str, id: &str) -> Value {
        json!({"alg": algorithm, "kid": id})
    }

    #[test]
    fn a_pool_token_is_verified_by_its_key() {
        let pool = Pool::new();
        let keys = Keys::from_key_set(&pool.key_set()).unwrap();
        let token = pool.sign(&header("RS256", RSA_ID), &json!({"sub": "5f0e"}));
        assert!(Token::parse(&token).unwrap().is_signed_by(&keys));
    }

    #[test]
    fn a_load_balancer_token_is_verified_by_its_key() {
        let balancer = Balancer::new();
        let keys = Keys::from_pems(&balancer.pems()).unwrap();
        for name in ["a", "al", "ali"] {
            let token = balancer.sign(&header("ES256", P256_ID), &json!({"username": name}));
            assert!(Token::parse(&token).unwrap().is_signed_by(&keys));
        }
        let stranger = Balancer::new().sign(&header("ES256", P256_ID), &json!({}));
        assert!(!Token::parse(&stranger).unwrap().is_signed_by(&keys));
    }

    #[test]
    fn neither_another_algorithm_nor_another_key_is_taken() {
        let pool = Pool::new();
        let keys = Keys::from_key_set(&pool.key_set()).unwrap();
        for bad in [
            header("none", RSA_ID),
            header("HS256", RSA_ID),
            header("ES256", RSA_ID),
            header("RS256", "another"),
            json!({"alg": "RS256"}),
        ] {
            let token = pool.sign(&bad, &json!({}));
            assert!(!Token::parse(&token).unwrap().is_signed_by(&keys), "{bad}");
        }
    }

    #[test]
    fn a_changed_token_is_not_verified() {
        let pool = Pool::new();
        let keys = Keys::from_key_set(&pool.key_set()).unwrap();
        let token = pool.sign(&header("RS256", RSA_ID), &json!({"username": "alice"}));
        let parts: Vec<&str> = token.split('.').collect();
        let other = BARE.encode(json!({"username": "mallory"}).to_string());
        for changed in [
            format!("{}.{other}.{}", parts[0], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}.{}", parts[0], parts[1], BARE.encode([7; 256])),
        ] {
            assert!(!Token::parse(&changed).unwrap().is_signed_by(&keys));
        }
    }

    #[test]
    fn what_is_no_token_is_not_parsed() {
        for broken in [
            "",
            "alice",
            "a.b",
            "a.!!.c",
            "e30.e30",
            "e30.e30.e30.e30",
            "e30.bm8.e30",
        ] {
            assert!(Token::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn keys_that_cannot_be_used_are_told() {
        for (set, problem) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{}", "it has no list of keys"),
            (r#"{"keys": []}"#, "it holds no key"),
            (
                r#"{"keys": [{"kty": "EC", "kid": "a"}]}"#,
                "one of its keys is no RSA key with kid, n and e",
            ),
        ] {
            assert_eq!(Keys::from_key_set(set).err().as_deref(), Some(problem));
        }
        assert_eq!(
            Keys::from_pems(r#"{"a": "bm8="}"#).err().as_deref(),
            Some("a is no P-256 key in PEM")
        );
    }
}
