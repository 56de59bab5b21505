//! The command line itself.

use std::process::Stdio;

use crate::harness::Windlass;

/// Usage errors and failures have different exit codes.
#[test]
fn usage_errors_exit_with_2() {
    let windlass = Windlass::new();
    let cases: [&[&str]; 9] = [
        &["pull"],
        &["pull", "--bogus", "alpine"],
        &["pull", "--progress=loud", "alpine"],
        &["pull", "--json", "-q", "alpine"],
        &["pull", "-a", "alpine:3"],
        &["tags", "alpine:3"],
        &["login", "ghcr.io/owner"],
        &["login", "-p", "x", "--password-stdin", "-u", "me"],
        &["login", "--password-stdin"],
    ];
    for case in cases {
        let output = windlass.command(case).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{case:?}: {}",
            windlass.show(&output)
        );
    }
    insta::assert_snapshot!(windlass.run(["pull", "-a", "alpine:3"]), @r#"
    exit: 2
    --- stderr
    error: --all-tags takes names without tag and digest, not "alpine:3"
    "#);
}

#[test]
fn help_shows_commands_and_examples() {
    insta::assert_snapshot!(Windlass::new().stdout(["help"]), @r"
    Pulls container images, fast and safely: no daemon, no configuration needed

    Usage: windlass [OPTIONS] <COMMAND>

    Commands:
      pull        Download and unpack images
      push        Send images to their registries
      images      List images [alias: ls]
      inspect     Show everything about images, as JSON
      history     Show how an image was built, newest step first
      tag         Give an image one more name
      rmi         Remove names of images, and images that have no name left [alias: rm]
      prune       Remove images without a tag, or all
      save        Write images into an archive or a directory
      load        Take images out of an archive or a directory
      import      Make an image of a tar
      export      Write an image's root filesystem as one tar
      copy        Carry an image between registries, files and the store [alias: cp]
      serve       Serve what is here to others, as a read-only registry
      unpack      Write an image's root filesystem into a directory
      bundle      Write an image as an OCI runtime bundle, for runc to start
      mount       Mount an image's root filesystem, read-only
      umount      Unmount what `mount` mounted [alias: unmount]
      df          Show what takes up the space
      daemon      Serve the image part of Docker's API
      manifest    Show the manifest or index that a name leads to in its registry
      digest      Show the digest that a name has in its registry
      tags        List the tags of a repository in its registry
      login       Log in to a registry
      logout      Log out of a registry
      config      Show what is configured
      completion  Print a completion script for a shell
      version     Show the version
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --root <DIR>                Where images are kept [default: /var/lib/windlass as root, else
                                      ~/.local/share/windlass] [env: WINDLASS_ROOT]
          --config <FILE>             Configuration to read in place of /etc/windlass/windlass.toml and
                                      ~/.config/windlass/windlass.toml [env: WINDLASS_CONFIG]
          --insecure-registry <HOST>  Registry (HOST or HOST:PORT) that may be spoken to without TLS;
                                      can be given several times

    Examples:
      windlass pull alpine                   Pull docker.io/library/alpine:latest
      windlass images                        List what is there
      sudo windlass unpack alpine ./rootfs   Write its root filesystem into a directory

    Run `windlass help COMMAND` for more about a command.
    ");
    insta::assert_snapshot!(Windlass::new().stdout(["pull", "-h"]), @r"
    Download and unpack images

    Usage: windlass pull [OPTIONS] <REF>...

    Arguments:
      <REF>...  Images to pull: NAME, NAME:TAG or NAME@DIGEST

    Options:
      -a, --all-tags                      Pull every tag of the repositories
      -q, --quiet                         Print nothing but the reference
          --platform <OS/ARCH[/VARIANT]>  Pull for these platforms, separated by commas, instead of the
                                          machine's own
          --all-platforms                 Pull for every platform that there is
          --json                          Print one JSON object a line; the same as --progress=json
          --progress <HOW>                How progress is shown [possible values: auto, tty, plain,
                                          json, none]
          --max-concurrent-downloads <N>  Layers to download at once; 0 for no limit [default: 3]
          --connections <N>               Connections for one large layer, at most; 1 for never more
                                          than one [default: 4]
          --retry <N>                     Tries more when nothing came, for each request; 0 to try once
                                          [default: 4]
          --retry-delay <TIME>            Time before the first further try; it doubles with each
                                          [default: 1s]
          --timeout <TIME>                Time without progress after which a connection is given up,
                                          and another one tried [default: 30s]
          --limit-rate <RATE>             Bytes a second at most, such as 2MB, 1.5MiB or 80Mbit
                                          [default: off]
          --dry-run                       Show what a pull would do, and do nothing; exits with 10 if it
                                          would change something
          --timings <FILE.html>           Write a picture of the pull, a web page: what each layer did
                                          when, throughput and CPU
          --authfile <FILE>               File with credentials, in podman's form, asked before all
                                          others [env: REGISTRY_AUTH_FILE]
      -h, --help                          Print help (see more with '--help')

    Global options:
          --root <DIR>                Where images are kept [default: /var/lib/windlass as root, else
                                      ~/.local/share/windlass] [env: WINDLASS_ROOT]
          --config <FILE>             Configuration to read in place of /etc/windlass/windlass.toml and
                                      ~/.config/windlass/windlass.toml [env: WINDLASS_CONFIG]
          --insecure-registry <HOST>  Registry (HOST or HOST:PORT) that may be spoken to without TLS;
                                      can be given several times

    Progress goes to standard error. Standard output gets one line an image, its reference with the
    digest.
    Of several platforms, the machine's own has the name (or else the first); the others are called by
    their digests.

    Examples:
      windlass pull alpine                              The tag `latest` of a Docker Hub image
      windlass pull postgres:18 redis:8                 Two images at once
      windlass pull --platform linux/arm64 alpine:3     For another machine
      windlass pull --all-platforms alpine:3            For every machine that it is there for
      windlass pull ghcr.io/owner/app@sha256:…          Exactly this, whatever a tag says today
      windlass pull --all-tags localhost:5000/app       Every tag of a repository
      windlass pull --json alpine | jq .                For programs
      windlass pull --dry-run alpine                    What there is to download; nothing changes
      windlass pull --limit-rate 2MB alpine             No faster than two megabytes a second
      windlass pull --timings pull.html postgres:18     Where the time went, for a browser

    A dry run exits with 0 if there is nothing to do, with 10 if a pull would change something, with 1
    if that could not be found out. Disk space is an estimate: what a layer unpacks to is known when it
    is here.
    ");
}

/// Every command has a help text that shows its usage.
#[test]
fn every_command_has_help() {
    let windlass = Windlass::new();
    for command in [
        "pull",
        "images",
        "inspect",
        "history",
        "tag",
        "rmi",
        "prune",
        "unpack",
        "bundle",
        "mount",
        "umount",
        "df",
        "manifest",
        "digest",
        "tags",
        "login",
        "logout",
        "config",
        "completion",
        "version",
    ] {
        let help = windlass.stdout(["help", command]);
        assert!(
            help.contains(&format!("Usage: windlass {command}")),
            "{help}"
        );
    }
}

#[test]
fn the_version_is_printed_as_text_and_json() {
    let windlass = Windlass::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        windlass.stdout(["version"]),
        format!("windlass {version}\n")
    );
    assert_eq!(
        windlass.stdout(["--version"]),
        format!("windlass {version}\n")
    );
    let json: serde_json::Value =
        serde_json::from_str(&windlass.stdout(["version", "--json"])).unwrap();
    assert_eq!(json["version"], version);
}

#[test]
fn completions_know_the_commands() {
    let windlass = Windlass::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = windlass.stdout(["completion", shell]);
        for word in [
            "pull", "unpack", "all-tags", "dry-run", "login", "digest", "authfile",
        ] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
}

/// A closed pipe is not reported; the exit code is that of SIGPIPE.
#[test]
fn a_closed_pipe_ends_quietly() {
    let windlass = Windlass::new();
    let mut command = windlass.command(["completion", "bash"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(windlass.show(&output), "exit: 141\n");
}

/// A user without a home directory has to name the store. Root has a default.
#[test]
fn without_a_home_the_store_has_to_be_named() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let windlass = Windlass::new();
    let mut command = windlass.command(["images"]);
    let output = command
        .env_remove("HOME")
        .env_remove("WINDLASS_ROOT")
        .output()
        .unwrap();
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 1
    --- stderr
    error: no directory for images: neither HOME nor XDG_DATA_HOME is set
    hint: choose a directory with --root
    ");
}
