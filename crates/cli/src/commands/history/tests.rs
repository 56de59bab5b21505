//! Output of the history.

use windlass::image::Digest;

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

/// Control characters in a step neither break the table nor reach the terminal (R9).
#[test]
fn the_table_has_the_columns_of_docker() {
    let args = Args {
        name: "x".to_owned(),
        human: true,
        format: None,
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

/// `--no-trunc` and `--human` apply to the fields of a template, too.
#[test]
fn formats_have_the_fields_of_docker() {
    let written = |format: &str, no_trunc: bool| {
        let args = Args {
            name: "x".to_owned(),
            human: !no_trunc,
            format: None,
            no_trunc,
            quiet: false,
            json: false,
        };
        let Format::Rows(format) = format.parse().unwrap() else {
            panic!("{format} is the default");
        };
        let steps = steps();
        let values = steps
            .iter()
            .map(|step| args.value(step, format.is_escaped()));
        let mut out = Vec::new();
        format.write(&mut out, &headers(), values).unwrap();
        String::from_utf8(out).unwrap()
    };
    let texts = [
        written("json", true),
        written(
            r"table {{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.CreatedBy}}",
            false,
        ),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r#"
    {"Comment":"buildkit.dockerfile.v0","CreatedAt":"N/A","CreatedBy":"CMD [\"/bin/sh\"]","CreatedSince":"N/A","ID":"sha256:b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910","Size":"0"}
    {"Comment":"","CreatedAt":"N/A","CreatedBy":"RUN /bin/sh -c apk add \\\n --no-cache ca-certificates tzdata","CreatedSince":"N/A","ID":"<missing>","Size":"7377000"}
    {"Comment":"\u0007","CreatedAt":"N/A","CreatedBy":"ADD \u001b[2Jalpine.tar.gz / # buildkit","CreatedSince":"N/A","ID":"<missing>","Size":"3400000"}

    IMAGE          CREATED   SIZE      CREATED BY
    b79606fb3afe   N/A       0B        CMD ["/bin/sh"]
    <missing>      N/A       7.38MB    RUN /bin/sh -c apk add \\n --no-cache ca-cert…
    <missing>      N/A       3.4MB     ADD \u{1b}[2Jalpine.tar.gz / # buildkit
    "#);
}
