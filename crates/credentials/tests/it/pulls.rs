//! Lookups of pulls, which do not block and are many at once.

use std::fs;
use std::sync::Arc;

use tokio::task::JoinSet;
use windlass_registry::{CredentialError, CredentialProvider};

use crate::support::{User, basic, chain, door};

#[tokio::test]
async fn eight_pulls_ask_a_helper_once() {
    let user = User::new();
    user.helper(
        "one",
        r#"echo asked >> "$D/asked"; echo '{"Username":"me","Secret":"x"}'"#,
    );
    user.docker(r#"{"credsStore":"one"}"#);
    let keys = Arc::new(user.keys());
    let mut pulls = JoinSet::new();
    for pull in 0..8 {
        let keys = keys.clone();
        let door = door(&format!("a.test/app{pull}"));
        pulls.spawn(async move { keys.credentials(&door).await.unwrap() });
    }
    for found in pulls.join_all().await {
        assert_eq!(found, basic("me", "x"));
    }
    let asked = || fs::read_to_string(user.bin("asked")).unwrap();
    assert_eq!(asked(), "asked\n");
    // Another host is another question.
    keys.credentials(&door("b.test/app")).await.unwrap();
    assert_eq!(asked(), "asked\nasked\n");
}

/// A helper that hangs is waited for once, too.
#[tokio::test]
async fn a_failure_is_shared() {
    let user = User::new();
    user.helper("one", r#"echo asked >> "$D/asked"; exit 1"#);
    user.docker(r#"{"credsStore":"one"}"#);
    let keys = user.keys();
    let error = |error: CredentialError| chain(&user, &error);
    for _ in 0..2 {
        assert_eq!(
            error(keys.credentials(&door("a.test/app")).await.unwrap_err()),
            "asking docker-credential-one, which ~/.docker/config.json names, for the credentials of a.test: \
             failed with exit status: 1"
        );
    }
    assert_eq!(fs::read_to_string(user.bin("asked")).unwrap(), "asked\n");
}

/// Leaving is dropping: a pull that is given up leaves no program behind.
#[tokio::test]
async fn a_helper_nobody_waits_for_is_ended() {
    let user = User::new();
    user.helper(
        "slow",
        r#"exec 3>"$D/alive"
        if test -e "$D/again"; then echo '{"Username":"me","Secret":"x"}'; exit; fi
        echo >&3; sleep 60; echo helper >&3"#,
    );
    user.docker(r#"{"credsStore":"slow"}"#);
    let mut alive = user.fifo("alive");
    let keys = Arc::new(user.keys());
    let spawn = || {
        let keys = keys.clone();
        tokio::spawn(async move { keys.credentials(&door("a.test/app")).await })
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
    let said = tokio::task::spawn_blocking(move || alive.read_to_end());
    assert_eq!(said.await.unwrap(), "");

    // Who comes after that is not told that it was ended, but asks anew.
    fs::write(user.bin("again"), "").unwrap();
    fs::remove_file(user.bin("alive")).unwrap();
    let found = keys.credentials(&door("a.test/app")).await.unwrap();
    assert_eq!(found, basic("me", "x"));
}
