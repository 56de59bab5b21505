//! HelperSettings that misbehave (D9, D10, T30).

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::{Mode, OFlags, open};
use windlass_credentials::{CredentialStore, HelperSettings};
use windlass_registry::Credentials;

use crate::support::{User, basic, chain, door, login};

const GOOD: &str = r#"echo '{"ServerURL":"a.test","Username":"me","Secret":"x"}'"#;

/// A user whose helper for everything is `script`. There is an entry that must not be used instead.
fn user_with(script: &str) -> User {
    let user = User::new();
    user.helper("bad", script);
    user.docker(
        r#"{"credsStore":"bad","auths":{"a.test":{"username":"entry","password":"hunter2"}}}"#,
    );
    user
}

/// The error of looking `a.test` up, behind what all of them begin with.
fn failure(user: &User, keys: &CredentialStore) -> String {
    let error = keys.lookup(&door("a.test")).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let error = chain(user, &error);
    let asked = "asking docker-credential-bad, which ~/.docker/config.json names, for the credentials of a.test: ";
    error.strip_prefix(asked).unwrap_or(&error).to_owned()
}

/// D9: that a helper fails is not the same as that it has nothing.
#[test]
fn a_failure_is_an_error_and_nothing_else_is_tried() {
    for (script, expected) in [
        ("exit 1", "failed with exit status: 1"),
        ("echo hunter2; exit 1", "failed with exit status: 1"),
        (
            "echo 'the keyring is locked' >&2; exit 3",
            r#"failed with exit status: 3, saying "the keyring is locked""#,
        ),
        ("kill -9 $$", "failed with signal: 9 (SIGKILL)"),
        (
            "echo 'credentials not found in native keychain' >&2; exit 1",
            r#"failed with exit status: 1, saying "credentials not found in native keychain""#,
        ),
        ("exit 0", "printed something that is not a JSON object"),
        (
            "echo hunter2",
            "printed something that is not a JSON object",
        ),
        (
            r#"echo '{"Username":"me"}'"#,
            "printed JSON in which Secret is not a string",
        ),
        (
            r#"printf '{"Username":"me","Secret":"hunter2\\n"}'"#,
            "printed a Secret with a NUL or a line end in it",
        ),
        (
            "echo 'credentials not found in native keychain'",
            "printed something that is not a JSON object",
        ),
    ] {
        let user = user_with(script);
        assert_eq!(failure(&user, &user.keys()), expected, "{script}");
    }
}

#[test]
fn json_may_be_laid_out_in_any_way() {
    let user = user_with(
        r#"printf '\n\n{\n"ServerURL"\n:"a.test",\n\n"Username":\n"me","Secret"\n:\n"x"\n}\n\n\n'"#,
    );
    assert_eq!(
        user.keys().lookup(&door("a.test")).unwrap(),
        basic("me", "x")
    );
}

#[test]
fn a_helper_that_is_missing_is_an_error() {
    let user = user_with(GOOD);
    fs::remove_file(user.bin("docker-credential-bad")).unwrap();
    assert_eq!(failure(&user, &user.keys()), "not found on PATH");
    let nowhere = CredentialStore::new(user.places(), HelperSettings::new(""));
    assert_eq!(failure(&user, &nowhere), "not found on PATH");
}

#[test]
fn a_helper_that_may_not_be_run_is_an_error() {
    let user = user_with(GOOD);
    let program = user.bin("docker-credential-bad");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        failure(&user, &user.keys()),
        "$D/docker-credential-bad is not executable"
    );
    // One further on is found, as by a shell; directories are passed over, and so is what is not absolute.
    let other = user_with(GOOD);
    fs::create_dir(user.bin("x")).unwrap();
    fs::create_dir(user.bin("x/docker-credential-bad")).unwrap();
    let path = ["bin", ".", "", user.bin("x").to_str().unwrap()].join(":");
    let path = format!(
        "{path}:{}:{}",
        user.bin("").display(),
        other.bin("").display()
    );
    let keys = CredentialStore::new(user.places(), HelperSettings::new(path));
    assert_eq!(keys.lookup(&door("a.test")).unwrap(), basic("me", "x"));
}

#[test]
fn a_helper_that_is_no_program_is_an_error() {
    let user = user_with(GOOD);
    let program = user.bin("docker-credential-bad");
    fs::remove_file(&program).unwrap();
    fs::write(&program, [0; 16]).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let error = failure(&user, &user.keys());
    assert!(error.starts_with("cannot be started: "), "{error}");
}

/// Nothing in a configuration leads to another program, and no host to another line.
#[test]
fn names_and_hosts_are_checked_before_anything_is_run() {
    let user = User::new();
    user.docker(r#"{"credHelpers":{"a.test":"../../bin/sh"}}"#);
    let error = user.keys().lookup(&door("a.test")).unwrap_err();
    assert!(
        chain(&user, &error).ends_with(r#": "../../bin/sh" is not the name of a helper"#),
        "{error}"
    );
    let user = user_with(GOOD);
    let error = user.keys().lookup(&door("a.test\nb.test")).unwrap_err();
    assert!(
        chain(&user, &error).ends_with(r#": "a.test\nb.test" is not a host"#),
        "{error}"
    );
}

/// It is killed after its time, and its children with it.
#[test]
fn a_helper_that_hangs_is_ended_with_its_children() {
    let user = user_with(
        r#"exec 3>"$D/alive"
        (sleep 60; echo child >&3) &
        sleep 60
        echo helper >&3"#,
    );
    let alive = user.fifo("alive");
    assert_eq!(
        failure(&user, &user.impatient_keys()),
        "took longer than 0.3 s"
    );
    assert_eq!(alive.read_to_end(), "");
}

/// The end of the helper counts, and not that of the pipe.
#[test]
fn a_child_that_holds_the_pipe_open_keeps_nobody_waiting() {
    let user = user_with(&format!(r#"cat "$D/gate" & {GOOD}"#));
    // Open for both, so that opening it does not wait, and the child does until this is closed.
    let fifo = user.fifo("gate");
    let gate = open(
        user.bin("gate"),
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let gate = File::from(gate.unwrap());
    drop(fifo);
    let found = user.keys().lookup(&door("a.test"));
    drop(gate);
    assert_eq!(found.unwrap(), basic("me", "x"));
}

#[test]
fn a_helper_that_closes_its_output_and_goes_on_is_ended() {
    let user = user_with(&format!("{GOOD}; exec >&- 2>&-; sleep 60"));
    assert_eq!(
        failure(&user, &user.impatient_keys()),
        "took longer than 0.3 s"
    );
}

/// Of 100 MB no more than a pipe holds is ever printed.
#[test]
fn a_helper_that_prints_too_much_is_ended() {
    let user = user_with(
        r#"exec 3>"$D/alive"
        head -c 100000000 /dev/zero | tr '\0' ' '
        echo helper >&3"#,
    );
    let alive = user.fifo("alive");
    assert_eq!(failure(&user, &user.keys()), "printed more than 64 KiB");
    assert_eq!(alive.read_to_end(), "");
    // As much as is allowed may be spent on nothing.
    let user = user_with(&format!("head -c 65000 /dev/zero | tr '\\0' ' '; {GOOD}"));
    assert_eq!(
        user.keys().lookup(&door("a.test")).unwrap(),
        basic("me", "x")
    );
}

#[test]
fn what_is_on_standard_error_does_not_matter_to_a_success() {
    let user = user_with(&format!("head -c 10000000 /dev/zero >&2; {GOOD}"));
    assert_eq!(
        user.keys().lookup(&door("a.test")).unwrap(),
        basic("me", "x")
    );
}

#[test]
fn a_helper_need_not_read_what_it_is_told() {
    let user = user_with(&format!("exec <&-; {GOOD}"));
    assert_eq!(
        user.keys().lookup(&door("a.test")).unwrap(),
        basic("me", "x")
    );
    // More than a pipe holds, to a helper that never takes it.
    let large = login("me", &"x".repeat(1 << 20));
    let user = user_with("exec <&-");
    user.keys().store("a.test", &large).unwrap();
    let user = user_with("exit 0");
    user.keys().store("a.test", &large).unwrap();
}

/// One byte at a time, from a pipe that is full.
#[test]
fn a_slow_reader_gets_everything() {
    let user = user_with(r#"dd bs=7000 of="$D/told" 2>/dev/null"#);
    let large = login("me", &"x".repeat(200_000));
    user.keys().store("a.test", &large).unwrap();
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(user.bin("told")).unwrap()).unwrap();
    assert_eq!(told["Secret"].as_str().unwrap().len(), 200_000);
}

#[test]
fn a_helper_can_be_listed() {
    let user = User::new();
    user.helper(
        "a",
        r#"test "$1" = list && echo '{"https://a.test":"me","b.test":"you"}'"#,
    );
    user.helper("b", r#"echo '{"a.test":["hunter2"]}'"#);
    let list = |name: &str| user.helpers().find(name).unwrap().list();
    let users: Vec<_> = list("a").unwrap().into_iter().collect();
    assert_eq!(
        users,
        [("b.test", "you"), ("https://a.test", "me")]
            .map(|(server, user)| (server.to_owned(), user.to_owned()))
    );
    assert_eq!(
        list("b").unwrap_err().to_string(),
        "printed JSON in which a user is not a string"
    );
}

#[test]
fn an_identity_token_has_no_user() {
    let user = user_with(r#"echo '{"Username":"<token>","Secret":"refresh"}'"#);
    assert!(matches!(
        user.keys().lookup(&door("a.test")).unwrap(),
        Credentials::IdentityToken(token) if token.expose() == "refresh"
    ));
}
