use std::os::unix::process::ExitStatusExt as _;

use super::*;

fn answer(stdout: &str) -> Result<Option<Credentials>, String> {
    credentials(stdout.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn reads_what_helpers_print() {
    let basic = Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new("x"),
    };
    for (stdout, expected) in [
        (
            r#"{"ServerURL":"a.test","Username":"me","Secret":"x"}"#,
            Some(basic.clone()),
        ),
        (
            "\n{\n\"Username\"\n:\"me\"\n,\n\"Secret\":\"x\"\n}\n\n",
            Some(basic),
        ),
        (
            r#"{"Username":"<token>","Secret":"refresh"}"#,
            Some(Credentials::IdentityToken(Secret::new("refresh"))),
        ),
        (r#"{"Username":"","Secret":""}"#, None),
    ] {
        assert_eq!(answer(stdout), Ok(expected), "{stdout}");
    }
}

/// T30, I7.
#[test]
fn what_is_no_answer_is_refused_and_not_shown() {
    let not_json = "printed something that is not a JSON object";
    for (stdout, expected) in [
        ("", not_json),
        ("hunter2", not_json),
        (r#"["hunter2"]"#, not_json),
        (r#"{"Username":"me","Secret":"hunter2"} {}"#, not_json),
        (r#"{"Username":"me","Secret":"hunt"#, not_json),
        ("{}", "printed JSON in which Username is not a string"),
        (
            r#"{"Username":"me","Secret":["hunter2"]}"#,
            "printed JSON in which Secret is not a string",
        ),
        (
            r#"{"Username":"me","Secret":"hunter2\n"}"#,
            "printed a Secret with a NUL or a line end in it",
        ),
        (
            r#"{"Username":"m\u0000e","Secret":"hunter2"}"#,
            "printed a Username with a NUL or a line end in it",
        ),
    ] {
        assert_eq!(answer(stdout), Err(expected.to_owned()), "{stdout}");
    }
}

#[test]
fn names_lead_to_no_other_directory() {
    let helpers = HelperSettings::new("/usr/bin");
    for name in ["", "../x", "a/b", "-x y", "a\nb", "x\0", "ä", "$(x)"] {
        let error = helpers.find(name).unwrap_err();
        assert!(
            matches!(error, HelperError::Name { .. }),
            "{name:?}: {error}"
        );
    }
    assert_eq!(
        helpers.find("a\n b").unwrap_err().to_string(),
        r#""a\n b" is not the name of a helper"#
    );
}

/// Only what cannot hold a secret is told.
#[test]
fn standard_error_is_told_unless_it_may_hold_a_secret() {
    let said = |action, stdout: &str, stderr: &str| {
        let output = Output {
            status: ExitStatus::from_raw(1 << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        outcome(action, &output).unwrap_err().to_string()
    };
    assert_eq!(
        said(Action::Get, "", "the keyring is \x1b[1mlocked\n"),
        r#"failed with exit status: 1, saying "the keyring is \u{1b}[1mlocked""#
    );
    for (action, stdout, stderr) in [
        (Action::Store, "", "hunter2"),
        (Action::Get, r#"{"Username":"me","#, "hunter2"),
        (Action::Get, "", "+ echo hunter2"),
        (Action::Get, "", "your password: hunter2"),
        (Action::Get, "", "GET https://me:hunter2@a.test"),
        (Action::Get, "", "cannot decode hunter2hunter2"),
        (Action::Get, "hunter2", ""),
    ] {
        assert_eq!(said(action, stdout, stderr), "failed with exit status: 1");
    }
}
