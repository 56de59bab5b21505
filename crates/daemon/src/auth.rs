//! The registry credentials of a request: `X-Registry-Auth` (API-2).

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use windlass::image::DEFAULT_REGISTRY;
use windlass::registry::{Caller, Credentials, Secret, StaticCredentials};
use windlass_docker_api::AuthConfig;

use crate::request::ApiRequest;
use crate::response::ApiError;

/// Clients differ in padding and in the alphabet.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);

const HEADER: &str = "x-registry-auth";
/// The longest header that is decoded, in bytes.
const MAX_HEADER: usize = 64 << 10;

/// Returns the caller that the headers authenticate at `registry`, named as in an image reference.
///
/// A header that cannot be decoded means an anonymous caller, as in Docker: the registry decides. The server address in the
/// header does not count, because some clients always send that of Docker Hub; the credentials are sent to `registry` and
/// its token server only (decision 0024).
pub(crate) fn caller(headers: &HeaderMap, registry: &str) -> Caller {
    config(headers).map_or_else(Caller::anonymous, |config| of_config(&config, registry))
}

/// Returns the caller that old clients authenticate in the body of a push, if they send no header.
pub(crate) async fn caller_of_push(
    request: &mut ApiRequest,
    registry: &str,
) -> Result<Caller, ApiError> {
    if request.headers.contains_key(HEADER) {
        request.skip_body().await;
        return Ok(caller(&request.headers, registry));
    }
    let body = ApiRequest::document(&mut request.body).await?;
    if body.trim_ascii().is_empty() {
        return Ok(Caller::anonymous());
    }
    let config = AuthConfig::parse(&body);
    let config = config.map_err(|error| {
        ApiError::bad_request(format!(
            "bad parameters and missing X-Registry-Auth: {error}"
        ))
    })?;
    Ok(of_config(&config, registry))
}

fn of_config(config: &AuthConfig, registry: &str) -> Caller {
    let credentials = credentials(config);
    if credentials == Credentials::Anonymous {
        return Caller::anonymous();
    }
    Caller::new(Arc::new(StaticCredentials {
        host: registry.to_owned(),
        credentials,
    }))
}

fn config(headers: &HeaderMap) -> Option<AuthConfig> {
    let text = headers.get(HEADER)?.as_bytes();
    if text.len() > MAX_HEADER {
        return None;
    }
    let decoded = URL_SAFE
        .decode(text)
        .or_else(|_| STANDARD.decode(text))
        .ok()?;
    AuthConfig::parse(&decoded).ok()
}

/// Returns the credentials in a decoded header.
pub(crate) fn credentials(config: &AuthConfig) -> Credentials {
    if !config.registrytoken.is_empty() {
        return Credentials::RegistryToken(Secret::new(&config.registrytoken));
    }
    if !config.identitytoken.is_empty() {
        return Credentials::IdentityToken(Secret::new(&config.identitytoken));
    }
    let (username, password) = match config.username.is_empty() && !config.auth.is_empty() {
        true => user_and_password(&config.auth).unwrap_or_default(),
        false => (config.username.clone(), config.password.clone()),
    };
    if username.is_empty() || password.is_empty() {
        return Credentials::Anonymous;
    }
    Credentials::Basic {
        username,
        password: Secret::new(&password),
    }
}

fn user_and_password(auth: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// Returns the registry of a server address: `https://index.docker.io/v1/` is that of Docker Hub, others are `host[:port]`
/// with or without a scheme and a path. `None` if there is no host.
pub(crate) fn server(address: &str) -> Option<&str> {
    let bare = address.split_once("://").map_or(address, |(_, bare)| bare);
    let host = bare.split('/').next().unwrap_or_default();
    match host {
        "" => None,
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => {
            Some(DEFAULT_REGISTRY)
        }
        host => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Credentials {
        credentials(&AuthConfig::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn each_kind_of_credentials_is_decoded() {
        let basic = Credentials::Basic {
            username: "u".to_owned(),
            password: Secret::new("p"),
        };
        assert_eq!(read(r#"{"username":"u","password":"p"}"#), basic);
        assert_eq!(read(r#"{"auth":"dTpw"}"#), basic);
        assert_eq!(read("{}"), Credentials::Anonymous);
        let token = Credentials::IdentityToken(Secret::new("t"));
        assert_eq!(read(r#"{"identitytoken":"t","username":null}"#), token);
        let token = Credentials::RegistryToken(Secret::new("t"));
        assert_eq!(read(r#"{"registrytoken":"t"}"#), token);
    }

    #[test]
    fn headers_are_decoded_in_either_alphabet_and_padding() {
        for text in ["e30=", "e30", "eyJ1c2VybmFtZSI6InU_In0="] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-registry-auth"),
                http::HeaderValue::from_static(text),
            )]);
            assert!(config(&headers).is_some(), "{text}");
        }
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-registry-auth"),
            http::HeaderValue::from_static("!!!"),
        )]);
        assert!(config(&headers).is_none());
    }

    #[test]
    fn server_addresses_name_registries() {
        assert_eq!(server("https://index.docker.io/v1/"), Some("docker.io"));
        assert_eq!(server("docker.io"), Some("docker.io"));
        assert_eq!(server("http://localhost:5000"), Some("localhost:5000"));
        assert_eq!(server("ghcr.io/v2/"), Some("ghcr.io"));
        assert_eq!(server(""), None);
    }
}
