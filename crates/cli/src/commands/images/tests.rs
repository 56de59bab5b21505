//! Output of image lists.

use windlass::Filters;

use super::rows::tests::{digest, image};
use super::*;

fn args() -> Args {
    Args {
        name: None,
        all: false,
        digests: false,
        filters: Vec::new(),
        format: None,
        no_trunc: false,
        quiet: false,
        tree: false,
        json: false,
    }
}

fn all(images: &[ImageSummary], digests: DigestRows) -> Vec<Row<'_>> {
    let filters = Filters::default();
    let names = NameFilter {
        argument: None,
        filters: &filters,
    };
    rows::rows(images, &names, digests)
}

#[test]
fn the_tables_have_the_columns_of_docker() {
    let args = args();
    let images = [image('1', &["alpine:3"], &[], None)];
    let rows = all(&images, DigestRows::First);
    let mut out = Vec::new();
    args.table(&rows).write(&mut out).unwrap();
    args.table_with_digests(&rows).write(&mut out).unwrap();
    let args = Args {
        no_trunc: true,
        ..args
    };
    args.table(&rows).write(&mut out).unwrap();
    output::json::line(&mut out, &image_record(&rows[0])).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
    REPOSITORY   TAG       IMAGE ID       CREATED   SIZE
    alpine       3         111111111111   N/A       7.38MB
    REPOSITORY   TAG       DIGEST    IMAGE ID       CREATED   SIZE
    alpine       3         <none>    111111111111   N/A       7.38MB
    REPOSITORY   TAG       IMAGE ID                                                                  CREATED   SIZE
    alpine       3         sha256:1111111111111111111111111111111111111111111111111111111111111111   N/A       7.38MB
    {"repository":"alpine","tag":"3","digest":null,"image_id":"sha256:1111111111111111111111111111111111111111111111111111111111111111","created":null,"size":7377000,"platform":"linux/amd64"}
    "#);
}

#[test]
fn formats_have_the_fields_of_docker() {
    let at = format!("alpine@{}", digest('a'));
    let images = [
        image('1', &["alpine:3"], &[&at], None),
        image('2', &[], &[], None),
    ];
    let written = |format: &str| {
        let args = Args {
            format: Some(fields::parse_format(format).unwrap()),
            ..args()
        };
        let rows = all(&images, args.digests());
        let Some(Format::Rows(format)) = &args.format else {
            panic!("{format} is the default");
        };
        let mut out = Vec::new();
        let values = rows
            .iter()
            .map(|row| fields::row_value(row, &args.id(row), false));
        format.write(&mut out, &fields::headers(), values).unwrap();
        String::from_utf8(out).unwrap()
    };
    let formats = [
        "json",
        "raw",
        r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedAt}}",
        "{{.Repository}}@{{truncate .Digest 10}} {{.Platform}}",
    ];
    insta::assert_snapshot!(formats.map(written).join("\n"), @r#"
    {"Containers":"N/A","CreatedAt":"N/A","CreatedSince":"N/A","Digest":"<none>","ID":"222222222222","Platform":"linux/amd64","Repository":"<none>","SharedSize":"N/A","Size":"7.38MB","Tag":"<none>","UniqueSize":"N/A","VirtualSize":"7.38MB"}
    {"Containers":"N/A","CreatedAt":"N/A","CreatedSince":"N/A","Digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","ID":"111111111111","Platform":"linux/amd64","Repository":"alpine","SharedSize":"N/A","Size":"7.38MB","Tag":"3","UniqueSize":"N/A","VirtualSize":"7.38MB"}

    repository: <none>
    tag: <none>
    image_id: 222222222222
    created_at: N/A
    virtual_size: 7.38MB

    repository: alpine
    tag: 3
    image_id: 111111111111
    created_at: N/A
    virtual_size: 7.38MB


    REPOSITORY   TAG       IMAGE ID       CREATED AT
    <none>       <none>    222222222222   N/A
    alpine       3         111111111111   N/A

    <none>@<none> linux/amd64
    alpine@sha256:aaa linux/amd64
    "#);
}
