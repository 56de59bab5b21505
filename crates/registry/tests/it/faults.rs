//! Registries that are down, busy, slow or broken.

use std::time::Duration;

use windlass_registry::{
    ConnectFailure, Credentials, NextStep, RegistryConfig, RegistryError, Timeouts,
};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{client, fetch, open, open_with_short_timeouts, report, session_at};

fn registry() -> Registry {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    registry
}

/// T34.
#[tokio::test]
async fn busy_registries_specify_when_to_retry() {
    let registry = registry();
    let repository = open(&registry);
    for (status, retry_after, expected) in [
        (429, Some("2"), Some(2)),
        (429, Some("86400"), Some(86400)),
        (429, Some("-5"), None),
        (429, Some("x"), None),
        (429, None, None),
        (503, Some("2"), Some(2)),
        (500, None, None),
    ] {
        let route = registry.manifest("1").status(status);
        match retry_after {
            Some(value) => route.retry_after(value).then_ok(),
            None => route.then_ok(),
        }
        let error = fetch(&repository).await.unwrap_err();
        let after = expected.map(Duration::from_secs);
        assert_eq!(
            error.next_step(),
            NextStep::Retry { after },
            "{status} {retry_after:?}"
        );
    }
    assert_eq!(
        registry.log().len(),
        7,
        "no request is repeated: retries are left to the caller"
    );
}

/// Issue 2, "Bad input": registry down.
#[tokio::test]
async fn nothing_listens() {
    let registry = registry();
    let url = registry.url().to_owned();
    drop(registry);
    let client = client(RegistryConfig::default());
    let error = fetch(&session_at(&client, &url, Credentials::Anonymous))
        .await
        .unwrap_err();
    let RegistryError::Connect {
        failure, source, ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*failure, ConnectFailure::Refused);
    assert_eq!(source.to_string(), "Connection refused (os error 111)");
    assert_eq!(
        error.to_string(),
        format!("app:1 at {url}: nothing is listening there")
    );
    assert_eq!(error.next_step(), NextStep::Retry { after: None });
}

/// T31: a registry that is down for some time.
#[tokio::test]
async fn a_registry_that_recovers_is_used_again() {
    let registry = registry();
    let repository = open(&registry);
    fetch(&repository).await.unwrap();
    registry.reset_connections();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        error.next_step(),
        NextStep::Retry { after: None },
        "{error:?}"
    );
    registry.restore();
    fetch(&repository).await.unwrap();
}

/// T33, HT-3: no response, and a head that arrives byte by byte.
#[tokio::test]
async fn a_response_that_does_not_arrive_times_out() {
    let registry = registry();
    let repository = open_with_short_timeouts(&registry);
    let gate = registry.manifest("1").hold();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: timed out waiting for a response"
    );
    assert_eq!(error.next_step(), NextStep::Retry { after: None });
    gate.open();

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    registry.manifest("1").raw(head).throttle(5).then_ok();
    let error = fetch(&repository).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: timed out waiting for a response"
    );
}

/// T36: an address that does not respond. (192.0.2.0/24 is for documentation and not routed.)
#[tokio::test]
async fn an_unresponsive_address_times_out() {
    let timeouts = Timeouts {
        connect: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let client = client(RegistryConfig {
        timeouts,
        ..RegistryConfig::default()
    });
    let repository = session_at(&client, "http://192.0.2.1", Credentials::Anonymous);
    let error = fetch(&repository).await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Timeout { .. } | RegistryError::Connect { .. }
        ),
        "{error:?}"
    );
}

/// E6: responses that are not valid HTTP.
#[tokio::test]
async fn broken_http_is_an_error() {
    let registry = registry();
    let repository = open(&registry);
    for head in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        registry.manifest("1").raw(head).then_ok();
        let error = fetch(&repository).await.unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::Transport { .. } | RegistryError::NotARegistry { .. }
            ),
            "{head:?}: {error:?}"
        );
    }
    fetch(&repository).await.unwrap();
}

/// E2: an error body is read up to the limit only.
#[tokio::test]
async fn an_endless_error_is_an_error() {
    let registry = registry();
    registry.manifest("1").status(403).endless().then_ok();
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied { .. }), "{error:?}");
    let sent = registry.requests()[0].sent();
    assert!(sent < 8 << 20, "{sent} bytes were read");
}

/// T28: a TLS handshake without a response.
#[tokio::test]
async fn a_stalled_tls_handshake_times_out() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let timeouts = Timeouts {
        connect: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let client = client(RegistryConfig {
        timeouts,
        ..RegistryConfig::default()
    });
    let url = format!("https://{}", silent.local_addr().unwrap());
    let error = fetch(&session_at(&client, &url, Credentials::Anonymous))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("app:1 at {url}: timed out waiting for a connection")
    );
}

/// T28: a server without TLS gets no request.
#[tokio::test]
async fn plain_http_is_not_tls() {
    let registry = registry();
    let url = registry.url().replace("http://", "https://");
    let client = client(RegistryConfig::default());
    let error = fetch(&session_at(&client, &url, Credentials::Anonymous))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
    assert_eq!(error.next_step(), NextStep::NextEndpoint);
    assert_eq!(
        error.to_string(),
        format!("app:1 at {url}: no secure connection")
    );
    assert_eq!(registry.log().len(), 0);
}
