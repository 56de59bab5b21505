//! `windlass login` and `logout`: prompts, stored credentials and output.

use std::fs;

use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::harness::{PLATFORM, Windlass, output_with_input};

const PASSWORD: &str = "hunter2";

fn registry() -> Registry {
    let registry = Registry::builder().basic("gopher", PASSWORD).start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1000));
    registry.push(image.pack(), "app:1");
    registry
}

/// Logs in to `registry` with `password` on standard input.
fn log_in(windlass: &Windlass, registry: &Registry, password: &str) -> String {
    let args = [
        "login",
        "-u",
        "gopher",
        "--password-stdin",
        &registry.host(),
    ];
    windlass.show(&output_with_input(windlass.command(args), password))
}

/// The password is checked, stored where Docker stores it, used by the next pull, and removed by a logout.
#[test]
fn a_login_is_stored_and_used_and_removed() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    let output = log_in(&windlass, &registry, "hunter2\n");
    insta::assert_snapshot!(output, @r"
    exit: 0
    --- stdout
    Login Succeeded
    --- stderr
    warning: the password is stored unencrypted in [dir]/home/.docker/config.json; a credential helper (`credsStore`) stores it safely
    ");
    let file = fs::read(windlass.path("home/.docker/config.json")).unwrap();
    insta::assert_snapshot!(windlass.comparable(&file), @r#"
    {
    	"auths": {
    		"registry.test": {
    			"auth": "Z29waGVyOmh1bnRlcjI="
    		}
    	}
    }
    "#);
    windlass.pull(&registry.name("app:1"));
    let (first, second) = (
        windlass.run(["logout", &registry.host()]),
        windlass.run(["logout", &registry.host()]),
    );
    insta::assert_snapshot!([first, second].join("\n"), @r"
    exit: 0
    --- stdout
    Removed the login to registry.test from [dir]/home/.docker/config.json

    exit: 0
    --- stdout
    Not logged in to registry.test: nothing in [dir]/home/.docker/config.json
    ");
    let refused = windlass
        .command(["digest", &registry.name("app:1")])
        .output();
    assert_eq!(refused.unwrap().status.code(), Some(1));
}

/// A password that the registry rejects is not stored, and no output shows it (I7).
#[test]
fn a_wrong_password_is_not_stored() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    let output = log_in(&windlass, &registry, "secret");
    assert!(!output.contains("secret"));
    insta::assert_snapshot!(output, @r"
    exit: 1
    --- stderr
    error: logging in to registry.test: http://registry.test: authentication required
    hint: check the username and password; many registries require an access token as password
    ");
    assert!(!windlass.path("home/.docker/config.json").exists());
}

/// If the registry has a token server, the token server checks the password.
#[test]
fn a_token_server_decides() {
    let registry = Registry::builder()
        .bearer()
        .account("gopher", PASSWORD)
        .start();
    let windlass = Windlass::with(&registry);
    let right = log_in(&windlass, &registry, PASSWORD);
    assert!(right.starts_with("exit: 0"), "{right}");
    insta::assert_snapshot!(log_in(&windlass, &registry, "wrong"), @r"
    exit: 1
    --- stderr
    error: logging in to registry.test: token from http://registry.test: authentication required
    hint: check the username and password; many registries require an access token as password
    ");
}

/// A password on the command line works, with a warning.
#[test]
fn a_password_on_the_command_line_is_warned_about() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    let args = ["login", "-u", "gopher", "-p", PASSWORD, &registry.host()];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 0
    --- stdout
    Login Succeeded
    --- stderr
    warning: other users can see --password on the command line; use --password-stdin
    warning: the password is stored unencrypted in [dir]/home/.docker/config.json; a credential helper (`credsStore`) stores it safely
    ");
}

/// Scripts with a missing argument get an error instead of a prompt.
#[test]
fn without_a_terminal_there_is_no_prompt() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    let host = registry.host();
    let runs = [
        windlass.run(["login", &host]),
        windlass.run(["login", "-u", "gopher", &host]),
        log_in(&windlass, &registry, "\n"),
        windlass.run(["login", "alpine"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 1
    --- stderr
    error: no user name was given, and there is no terminal to prompt for it
    hint: use --username, and --password-stdin to read the password from standard input

    exit: 1
    --- stderr
    error: no password was given, and there is no terminal to prompt for it
    hint: use --username, and --password-stdin to read the password from standard input

    exit: 1
    --- stderr
    error: no password was given

    exit: 2
    --- stderr
    error: expected a registry, HOST or HOST:PORT, not "alpine"
    "#);
}

/// The named file, in podman's format.
#[test]
fn an_authfile_stores_the_login() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    let args = [
        "login",
        "-u",
        "gopher",
        "--password-stdin",
        "--authfile",
        "auth.json",
        &registry.host(),
    ];
    let output = windlass.show(&output_with_input(windlass.command(args), PASSWORD));
    insta::assert_snapshot!(output, @r"
    exit: 0
    --- stdout
    Login Succeeded
    --- stderr
    warning: the password is stored unencrypted in auth.json; a credential helper (`credsStore`) stores it safely
    ");
    assert!(!windlass.path("home/.docker").exists());
    let args = ["digest", "--authfile", "auth.json", &registry.name("app:1")];
    windlass.stdout(args);
    let args = ["logout", "--authfile", "auth.json", &registry.host()];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 0
    --- stdout
    Removed the login to registry.test from auth.json
    ");
}

/// D11: the helper gets the secret on its standard input, and the file does not contain it.
#[test]
fn a_credential_helper_stores_the_secret() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    windlass.configure_docker(&serde_json::json!({ "credsStore": "test" }));
    let kept = windlass.path("kept");
    let script = format!(
        "echo \"$*\" >>{0}.args; case $1 in store) cat >{0};; get) cat {0};; erase) rm {0};; esac",
        kept.display()
    );
    let path = format!(
        "{}:/usr/bin:/bin",
        windlass
            .program("docker-credential-test", &script)
            .display()
    );
    let mut command = windlass.command([
        "login",
        "-u",
        "gopher",
        "--password-stdin",
        &registry.host(),
    ]);
    command.env("PATH", &path);
    insta::assert_snapshot!(windlass.show(&output_with_input(command, PASSWORD)), @r"
    exit: 0
    --- stdout
    Login Succeeded
    --- stderr
    The password is stored with docker-credential-test, as configured in [dir]/home/.docker/config.json.
    ");
    let stored: serde_json::Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    let expected = serde_json::json!({
        "ServerURL": registry.host(),
        "Username": "gopher",
        "Secret": PASSWORD,
    });
    assert_eq!(stored, expected);
    let file = fs::read(windlass.path("home/.docker/config.json")).unwrap();
    insta::assert_snapshot!(windlass.comparable(&file), @r#"
    {
    	"credsStore": "test",
    	"auths": {
    		"registry.test": {}
    	}
    }
    "#);
    let mut command = windlass.command(["digest", &registry.name("app:1")]);
    assert!(
        command
            .env("PATH", &path)
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut command = windlass.command(["logout", &registry.host()]);
    let output = command.env("PATH", &path).output().unwrap();
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 0
    --- stdout
    Removed the login to registry.test from docker-credential-test
    ");
    assert!(!kept.exists());
    assert_eq!(
        fs::read_to_string(windlass.path("kept.args")).unwrap(),
        "store\nget\nerase\n"
    );
}

/// An error of the helper names it, and the credentials are not stored in plain text instead.
#[test]
fn an_error_of_the_helper_is_reported() {
    let registry = registry();
    let windlass = Windlass::with(&registry);
    windlass.configure_docker(&serde_json::json!({ "credsStore": "test" }));
    let path = windlass.program(
        "docker-credential-test",
        "echo no keychain here >&2; exit 3",
    );
    let mut command = windlass.command([
        "login",
        "-u",
        "gopher",
        "--password-stdin",
        &registry.host(),
    ]);
    command.env("PATH", &path);
    let login = windlass.show(&output_with_input(command, PASSWORD));
    let mut command = windlass.command(["digest", &registry.name("app:1")]);
    let digest = windlass.show(&command.env("PATH", &path).output().unwrap());
    insta::assert_snapshot!([login, digest].join("\n"), @r#"
    exit: 1
    --- stderr
    error: saving the login to registry.test: cannot store the credentials for registry.test with docker-credential-test, configured in [dir]/home/.docker/config.json: failed with exit status: 3
    hint: run `docker-credential-test list` to check the helper, or remove it from [dir]/home/.docker/config.json

    exit: 1
    --- stderr
    error: resolving the digest of registry.test/app:1: token for app from http://registry.test: cannot authenticate: the credentials cannot be looked up: cannot get the credentials for registry.test from docker-credential-test, configured in [dir]/home/.docker/config.json: failed with exit status: 3, stderr: "no keychain here"
    hint: run `docker-credential-test list` to check the helper, or remove it from [dir]/home/.docker/config.json and log in with `windlass login registry.test`
    "#);
    let file = fs::read(windlass.path("home/.docker/config.json")).unwrap();
    insta::assert_snapshot!(windlass.comparable(&file), @r#"{"credsStore":"test"}"#);
}

/// A login that credentials in another place override is a warning.
#[test]
fn an_overridden_login_is_a_warning() {
    let registry = registry();
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&"Z29waGVyOndyb25n", "<wrong>");
    let auths = serde_json::json!({ "auths": { registry.host(): { "auth": "Z29waGVyOndyb25n" } } });
    let mut command = windlass.command([
        "login",
        "-u",
        "gopher",
        "--password-stdin",
        &registry.host(),
    ]);
    command.env("DOCKER_AUTH_CONFIG", auths.to_string());
    let login = windlass.show(&output_with_input(command, PASSWORD));
    let mut command = windlass.command(["digest", &registry.name("app:1")]);
    command.env("DOCKER_AUTH_CONFIG", auths.to_string());
    let digest = windlass.show(&command.output().unwrap());
    insta::assert_snapshot!([login, digest].join("\n"), @r"
    exit: 0
    --- stdout
    Login Succeeded
    --- stderr
    warning: the password is stored unencrypted in [dir]/home/.docker/config.json; a credential helper (`credsStore`) stores it safely
    warning: DOCKER_AUTH_CONFIG has credentials for registry.test, too, and takes precedence

    exit: 1
    --- stderr
    error: resolving the digest of registry.test/app:1: app:1 at http://registry.test: authentication required
    hint: the registry rejects the credentials in DOCKER_AUTH_CONFIG: fix or unset it, or log in with `windlass login registry.test`
    ");
}
