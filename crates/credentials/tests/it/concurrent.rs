//! Tests of concurrent asynchronous lookups.

use std::fs;
use std::sync::Arc;

use tokio::task::JoinSet;
use windlass_registry::{CredentialError, CredentialProvider};

use crate::support::{User, basic, chain, scope};

#[tokio::test]
async fn a_helper_runs_once_for_eight_lookups() {
    let user = User::new();
    user.helper(
        "one",
        r#"echo run >> "$D/runs"; echo '{"Username":"me","Secret":"x"}'"#,
    );
    user.docker(r#"{"credsStore":"one"}"#);
    let store = Arc::new(user.store());
    let mut pulls = JoinSet::new();
    for pull in 0..8 {
        let store = store.clone();
        let scope = scope(&format!("a.test/app{pull}"));
        pulls.spawn(async move { store.credentials(&scope).await.unwrap() });
    }
    for found in pulls.join_all().await {
        assert_eq!(found, basic("me", "x"));
    }
    let runs = || fs::read_to_string(user.bin("runs")).unwrap();
    assert_eq!(runs(), "run\n");
    // The helper runs again for another host.
    store.credentials(&scope("b.test/app")).await.unwrap();
    assert_eq!(runs(), "run\nrun\n");
}

/// Errors are cached too, so a helper that times out is not run again.
#[tokio::test]
async fn a_failure_is_shared() {
    let user = User::new();
    user.helper("one", r#"echo run >> "$D/runs"; exit 1"#);
    user.docker(r#"{"credsStore":"one"}"#);
    let store = user.store();
    let error = |error: CredentialError| chain(&user, &error);
    for _ in 0..2 {
        assert_eq!(
            error(store.credentials(&scope("a.test/app")).await.unwrap_err()),
            "cannot get the credentials for a.test from docker-credential-one, configured in ~/.docker/config.json: \
             failed with exit status: 1"
        );
    }
    assert_eq!(fs::read_to_string(user.bin("runs")).unwrap(), "run\n");
}

/// A cancelled pull leaves no program behind.
#[tokio::test]
async fn a_helper_is_killed_when_all_lookups_are_cancelled() {
    let user = User::new();
    user.helper(
        "slow",
        r#"exec 3>"$D/alive"
        if test -e "$D/again"; then echo '{"Username":"me","Secret":"x"}'; exit; fi
        echo >&3; sleep 60; echo helper >&3"#,
    );
    user.docker(r#"{"credsStore":"slow"}"#);
    let mut alive = user.fifo("alive");
    let store = Arc::new(user.store());
    let spawn = || {
        let store = store.clone();
        tokio::spawn(async move { store.credentials(&scope("a.test/app")).await })
    };
    let (one, two) = (spawn(), spawn());
    let alive = tokio::task::spawn_blocking(move || {
        alive.wait_for_a_byte();
        alive
    });
    let alive = alive.await.unwrap();
    one.abort();
    two.abort();
    assert!(one.await.unwrap_err().is_cancelled());
    assert!(two.await.unwrap_err().is_cancelled());
    let output = tokio::task::spawn_blocking(move || alive.read_to_end());
    assert_eq!(output.await.unwrap(), "");

    // A later lookup does not get the cancelled result: it runs the helper again.
    fs::write(user.bin("again"), "").unwrap();
    fs::remove_file(user.bin("alive")).unwrap();
    let found = store.credentials(&scope("a.test/app")).await.unwrap();
    assert_eq!(found, basic("me", "x"));
}
