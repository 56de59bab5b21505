//! Tables of history.

use windlass::Digest;

use super::*;

fn steps() -> Vec<HistoryEntry> {
    let id = ImageId::new(Digest::sha256("config"));
    let step = |id, created_by: &str, size, comment: &str| HistoryEntry {
        id,
        created: None,
        created_by: created_by.to_owned(),
        size,
        comment: comment.to_owned(),
        empty: size == 0,
    };
    vec![
        step(Some(id), "CMD [\"/bin/sh\"]", 0, "buildkit.dockerfile.v0"),
        step(
            None,
            "RUN /bin/sh -c apk add \\\n\t--no-cache ca-certificates tzdata",
            7_377_000,
            "",
        ),
        step(
            None,
            "ADD \x1b[2Jalpine.tar.gz / # buildkit",
            3_400_000,
            "\x07",
        ),
    ]
}

fn table(args: &Args) -> String {
    let mut out = Vec::new();
    args.table(&steps()).write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Docker's columns; what builders wrote cannot break the table or steer the terminal (R9).
#[test]
fn the_table_has_dockers_columns() {
    let args = Args {
        name: "x".to_owned(),
        human: true,
        no_trunc: false,
        quiet: false,
        json: false,
    };
    insta::assert_snapshot!(table(&args), @r#"
    IMAGE          CREATED   CREATED BY                                      SIZE      COMMENT
    b79606fb3afe   N/A       CMD ["/bin/sh"]                                 0B        buildkit.dockerfile.v0
    <missing>      N/A       RUN /bin/sh -c apk add \\n --no-cache ca-cer…   7.38MB
    <missing>      N/A       ADD \u{1b}[2Jalpine.tar.gz / # buildkit         3.4MB     \u{7}
    "#);
    let args = Args {
        no_trunc: true,
        human: false,
        ..args
    };
    insta::assert_snapshot!(table(&args), @r#"
    IMAGE                                                                     CREATED   CREATED BY                                                     SIZE      COMMENT
    sha256:b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910   N/A       CMD ["/bin/sh"]                                                0         buildkit.dockerfile.v0
    <missing>                                                                 N/A       RUN /bin/sh -c apk add \\n --no-cache ca-certificates tzdata   7377000
    <missing>                                                                 N/A       ADD \u{1b}[2Jalpine.tar.gz / # buildkit                        3400000   \u{7}
    "#);
}
