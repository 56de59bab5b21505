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
      push        Upload images to registries
      images      List images [alias: ls]
      inspect     Show detailed information about images, as JSON in the format of `docker inspect`
      history     Show how an image was built, newest step first
      tag         Add a name to an image
      rmi         Remove images or their names [alias: rm]
      prune       Remove untagged images, or all images
      save        Save images to an archive or a directory
      load        Load images from an archive or a directory
      import      Create an image from a tar archive
      export      Export an image's root filesystem as a tar archive
      copy        Copy an image between registries, files and the store [alias: cp]
      serve       Serve local images as a read-only registry
      unpack      Unpack an image's root filesystem into a directory
      bundle      Create an OCI runtime bundle from an image
      mount       Mount an image's root filesystem read-only
      umount      Unmount an image's root filesystem [alias: unmount]
      df          Show disk usage
      daemon      Serve the image part of Docker's API
      manifest    Show the manifest or index of an image in its registry
      digest      Show the digest of an image in its registry
      tags        List the tags of a repository in its registry
      login       Log in to a registry
      logout      Log out of a registry
      config      Show the configuration
      completion  Print a completion script for a shell
      version     Show the version
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --root <DIR>                Directory of the store [default: /var/lib/windlass as root, else
                                      ~/.local/share/windlass] [env: WINDLASS_ROOT]
          --config <FILE>             Configuration file to use instead of /etc/windlass/windlass.toml
                                      and ~/.config/windlass/windlass.toml [env: WINDLASS_CONFIG]
          --insecure-registry <HOST>  Registry (HOST or HOST:PORT) to allow without TLS; can be given
                                      several times

    Examples:
      windlass pull alpine                   Pull docker.io/library/alpine:latest
      windlass images                        List local images
      sudo windlass unpack alpine ./rootfs   Unpack its root filesystem into a directory

    Run `windlass help COMMAND` for more about a command.
    ");
    insta::assert_snapshot!(Windlass::new().stdout(["pull", "-h"]), @r"
    Download and unpack images

    Usage: windlass pull [OPTIONS] <REF>...

    Arguments:
      <REF>...  Images to pull: NAME, NAME:TAG or NAME@DIGEST

    Options:
      -a, --all-tags                      Pull every tag of each repository
      -q, --quiet                         Print only the references
          --platform <OS/ARCH[/VARIANT]>  Platforms to pull, separated by commas [default: that of this
                                          machine]
          --all-platforms                 Pull every platform, and the attestations of the index
          --json                          Print one JSON object per line, like --progress=json
          --progress <HOW>                Type of progress output [possible values: auto, tty, plain,
                                          json, none]
          --max-concurrent-downloads <N>  Maximum number of concurrent layer downloads; 0 for no limit
                                          [default: 3]
          --connections <N>               Maximum number of connections for one large layer [default: 4]
          --retry <N>                     Number of retries of a request without progress [default: 4]
          --retry-delay <TIME>            Delay before the first retry; it doubles with each one
                                          [default: 1s]
          --timeout <TIME>                Time without progress before a connection is closed and
                                          retried [default: 30s]
          --limit-rate <RATE>             Maximum download rate per second, such as 2MB, 1.5MiB or
                                          80Mbit [default: unlimited]
          --dry-run                       Show what a pull would do, without doing it; exits with 10 if
                                          it would change something
          --timings <FILE.html>           Write a web page with a chart of the pull: layers, throughput
                                          and CPU over time
          --authfile <FILE>               File with credentials, in Podman's format; takes precedence
                                          over all others [env: REGISTRY_AUTH_FILE]
      -h, --help                          Print help (see more with '--help')

    Global options:
          --root <DIR>                Directory of the store [default: /var/lib/windlass as root, else
                                      ~/.local/share/windlass] [env: WINDLASS_ROOT]
          --config <FILE>             Configuration file to use instead of /etc/windlass/windlass.toml
                                      and ~/.config/windlass/windlass.toml [env: WINDLASS_CONFIG]
          --insecure-registry <HOST>  Registry (HOST or HOST:PORT) to allow without TLS; can be given
                                      several times

    Progress is written to standard error, and the reference of each image with its digest to standard
    output.
    Of several platforms, that of this machine (or else the first) gets the name; the others are named
    by digest.

    Examples:
      windlass pull alpine                              The tag `latest` of a Docker Hub image
      windlass pull postgres:18 redis:8                 Two images at the same time
      windlass pull --platform linux/arm64 alpine:3     For another platform
      windlass pull --all-platforms alpine:3            For every platform
      windlass pull ghcr.io/owner/app@sha256:…          Exactly this image, wherever its tags point
      windlass pull --all-tags localhost:5000/app       Every tag of a repository
      windlass pull --json alpine | jq .                JSON for programs
      windlass pull --dry-run alpine                    Show what would be downloaded
      windlass pull --limit-rate 2MB alpine             At most two megabytes per second
      windlass pull --timings pull.html postgres:18     Write a chart of the pull as a web page

    A dry run exits with 0 if everything is up to date, with 10 if a pull would change something, and
    with 1 on failure. The disk space is an estimate: the unpacked size of a layer is unknown before it
    is downloaded.
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
        let usage = format!("Usage: windlass {command} ");
        let mut lines = help.lines().map(|line| format!("{line} "));
        assert!(lines.any(|line| line.starts_with(&usage)), "{help}");
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
fn completions_include_commands_and_options() {
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
