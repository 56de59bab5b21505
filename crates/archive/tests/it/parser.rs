//! Where tar readers differ, and smugglers live (T13).

use crate::builder::{CHECKSUM, Entry, MAGIC, NAME, SIZE, Tar, record};
use crate::sandbox::{confined, options, ways};
use crate::shape::shape;

fn refused(tar: impl AsRef<[u8]> + Sync, why: &str) {
    confined(|sandbox| {
        for options in ways() {
            let refusal = sandbox.refusal(tar.as_ref(), &options);
            let (_, what) = refusal.split_once(": ").unwrap();
            assert_eq!(what, why);
            assert_eq!(shape(&sandbox.root()), "");
        }
    });
}

fn becomes(tar: impl AsRef<[u8]> + Sync, expected: &str) {
    confined(|sandbox| {
        for options in ways() {
            sandbox.unpack_ok(tar.as_ref(), &options);
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
    });
}

/// A header for something evil, as content.
fn payload() -> Vec<u8> {
    Entry::file("etc/evil", "").bytes()
}

/// T13 (a), (b): the PAX size wins, so that content is content.
#[test]
fn the_pax_size_wins() {
    let digest = windlass_oci::Digest::sha256(payload());
    let hidden = Entry::file("f", payload())
        .number(SIZE, 0)
        .pax("size", "512");
    becomes(
        Tar::new().entry(hidden).file("g", "").end(),
        &format!("f 512 {digest}\ng \"\"\n"),
    );
    let emptied = Entry::file("f", "").number(SIZE, 512).pax("size", "0");
    becomes(
        Tar::new().entry(emptied).file("g", "").end(),
        "f \"\"\ng \"\"\n",
    );
    // And it is not applied to the headers between.
    let long = Entry::new(b'L', "././@LongLink").content("long\0");
    let mut tar = Entry::new(b'x', "p").content(record(b"size", b"1")).bytes();
    tar.extend(long.bytes());
    tar.extend(Entry::file("short", "x").bytes());
    becomes(Tar::new().raw(&tar).end(), "long \"x\"\n");
}

/// T13 (c): of records with one key, the last counts; an empty one takes it back.
#[test]
fn the_last_pax_record_counts() {
    let entry = Entry::file("header", "")
        .pax("path", "first")
        .pax("path", "last");
    becomes(Tar::new().entry(entry).end(), "last \"\"\n");
    let entry = Entry::file("header", "")
        .pax("path", "first")
        .pax("path", "");
    becomes(Tar::new().entry(entry).end(), "header \"\"\n");
}

/// T13 (d): two names for one entry are one too many; an attribute and a long name are not.
#[test]
fn names_from_two_sources_are_refused() {
    let long = |flag| Entry::new(flag, "././@LongLink").content("long\0").bytes();
    let tar = Tar::new()
        .raw(&long(b'L'))
        .entry(Entry::file("f", "").pax("path", "p"));
    refused(
        tar.end(),
        "the path is set by a PAX record and by a GNU header",
    );
    let tar = Tar::new()
        .raw(&long(b'K'))
        .entry(Entry::symlink("f", "").pax("linkpath", "p"));
    refused(
        tar.end(),
        "the link target is set by a PAX record and by a GNU header",
    );
    let tar = Tar::new()
        .raw(&long(b'L'))
        .entry(Entry::file("f", "").xattr("user.a", "b"));
    becomes(tar.end(), "long \"\" user.a=b\n");
    for (flag, kind) in [(b'L', "GNU long name"), (b'K', "GNU long link")] {
        let tar = Tar::new().raw(&long(flag)).raw(&long(flag)).file("f", "");
        refused(tar.end(), &format!("two {kind} headers for one entry"));
    }
    let records = Entry::new(b'x', "p").content(record(b"path", b"p")).bytes();
    let tar = Tar::new().raw(&records).raw(&records).file("f", "");
    refused(tar.end(), "two PAX headers for one entry");
}

/// T13 (e): records that do not add up.
#[test]
fn malformed_pax_records_are_refused() {
    for bytes in [
        &b"10 path=ab"[..],
        b"12 path=ab\n",
        b"9 path=ab\n",
        b"path=ab\n",
        b"0 path=ab\n",
        b"-1 path=ab\n",
        b"99999999999999999999999 path=ab\n",
        b"10 path=abc",
        b"7 path\n",
        b"5 =a\n",
        b"11 path=ab\n\0",
        b" ",
        b"4 a\n",
    ] {
        let tar = Tar::new().entry(Entry::file("f", "").raw_pax(bytes)).end();
        refused(tar, "a malformed PAX record");
    }
    for (key, field) in [("path", "path"), ("linkpath", "link target")] {
        let entry = Entry::symlink("f", "t").pax(key, b"a\0b");
        refused(
            Tar::new().entry(entry).end(),
            &format!("a NUL byte in the {field}"),
        );
    }
}

/// T13 (f): extension headers need something to extend.
#[test]
fn orphaned_extensions_are_refused() {
    let records = Entry::new(b'x', "p").content(record(b"path", b"p")).bytes();
    let long = Entry::new(b'L', "l").content("long\0").bytes();
    for orphan in [records, long] {
        refused(
            Tar::new().raw(&orphan).end(),
            "extension headers without an entry",
        );
        refused(
            Tar::new().raw(&orphan).unended(),
            "extension headers without an entry",
        );
    }
}

/// T13 (g): a wrong checksum; at the very beginning, the blob is no tar at all.
#[test]
fn wrong_checksums_are_refused() {
    confined(|sandbox| {
        let wrong = Entry::file("g", "")
            .field(CHECKSUM, b"0000000")
            .keep_checksum();
        let tar = Tar::new().file("f", "").entry(wrong.clone()).end();
        let refusal = sandbox.refusal(&tar, &options());
        assert_eq!(
            refusal,
            "invalid tar at byte 512: the header's checksum does not match"
        );
        for bytes in [
            Tar::new().entry(wrong).end(),
            b"<html>".to_vec(),
            vec![b'x'; 4096],
        ] {
            let refusal = sandbox.refusal(&bytes, &options());
            let expected = "invalid tar at byte 0: this is neither a tar nor a known compression";
            assert_eq!(refusal, expected);
        }
    });
}

/// T13 (h): the form before POSIX, in which a slash makes a directory, and sums were of signed bytes.
#[test]
fn old_headers_are_read() {
    let old = |name: &str, content: &str| {
        let mut entry = Entry::file(name, content).mode(0o755).field(MAGIC, b"");
        entry.header[156] = 0;
        entry
    };
    becomes(
        Tar::new().entry(old("d/", "")).entry(old("d/f", "f")).end(),
        "d/\nd/f \"f\"\n",
    );

    let mut signed = Entry::file("\u{e9}", "");
    signed.header[CHECKSUM].fill(b' ');
    let sum: i32 = signed
        .header
        .iter()
        .map(|&byte| i32::from(byte.cast_signed()))
        .sum();
    let signed = signed
        .field(CHECKSUM, format!("{sum:06o}\0").as_bytes())
        .keep_checksum();
    becomes(Tar::new().entry(signed).end(), "\\xc3\\xa9 \"\"\n");
}

#[test]
fn long_names_are_read_in_all_forms() {
    let long = vec!["n".repeat(90); 3].join("/");
    let name = |text: &str| format!("{text}\0");
    let gnu = Tar::new()
        .raw(
            &Entry::new(b'L', "././@LongLink")
                .content(name(&long))
                .bytes(),
        )
        .raw(
            &Entry::new(b'K', "././@LongLink")
                .content(name("target"))
                .bytes(),
        )
        .symlink("short", "");
    confined(|sandbox| {
        sandbox.unpack_ok(&gnu.clone().end(), &options());
        assert!(shape(&sandbox.root()).ends_with(&format!("{long} -> target\n")));
        sandbox.reset();
        // The prefix of POSIX, and of star, and none for GNU, which has other things there.
        let prefixed = Entry::file("name", "").field(345..500, b"pre/fix");
        let star = prefixed
            .clone()
            .field(508..512, b"tar\0")
            .field(476..488, b"00000000000");
        let gnu = prefixed.clone().field(MAGIC, b"ustar  \0");
        for (entry, expected) in [
            (prefixed, "pre/\npre/fix/\npre/fix/name \"\"\n"),
            (star, "pre/\npre/fix/\npre/fix/name \"\"\n"),
            (gnu, "name \"\"\n"),
        ] {
            sandbox.unpack_ok(&Tar::new().entry(entry).end(), &options());
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
        let full = Entry::file("", "").field(NAME, &[b'n'; 100]);
        sandbox.unpack_ok(&Tar::new().entry(full).end(), &options());
        assert_eq!(
            shape(&sandbox.root()),
            format!("{} \"\"\n", "n".repeat(100))
        );
    });
}

/// A global header's comment is nobody's business; one that moves entries is refused.
#[test]
fn global_headers_are_checked() {
    let global = |key: &[u8]| Entry::new(b'g', "g").content(record(key, b"value")).bytes();
    becomes(
        Tar::new().raw(&global(b"comment")).file("f", "").end(),
        "f \"\"\n",
    );
    for key in ["path", "linkpath", "size", "GNU.sparse.major"] {
        let tar = Tar::new().raw(&global(key.as_bytes())).file("f", "").end();
        refused(tar, &format!("a global PAX header sets {key:?}"));
    }
}

/// Only files have content, whatever others claim; types that no layer holds are refused by name.
#[test]
fn sizes_of_what_has_no_content_are_ignored() {
    let tar = Tar::new()
        .entry(Entry::dir("d").number(SIZE, 512))
        .entry(Entry::symlink("l", "t").number(SIZE, 512))
        .file("f", "")
        .end();
    becomes(tar, "d/\nf \"\"\nl -> t\n");
    for (flag, shown) in [
        (b'M', "'M'"),
        (b'V', "'V'"),
        (b's', "'s'"),
        (b'\n', "'\\n'"),
    ] {
        let tar = Tar::new().entry(Entry::new(flag, "f")).end();
        refused(tar, &format!("unsupported entry type {shown}"));
    }
}

/// A tar ends with two zero blocks, or at its end; what follows counts for the diff ID alone.
#[test]
fn the_end_is_found_in_all_forms() {
    becomes(Tar::new().file("f", "x").unended(), "f \"x\"\n");
    becomes(
        Tar::new().file("f", "x").raw(&[0; 512]).unended(),
        "f \"x\"\n",
    );
    let mut unpadded = Tar::new().file("f", "x").unended();
    unpadded.truncate(513);
    becomes(unpadded, "f \"x\"\n");
    becomes(vec![0; 1024], "");
    becomes(Vec::new(), "");

    confined(|sandbox| {
        let mut tar = Tar::new().file("f", "").end();
        tar.extend(Tar::new().file("hidden", "").end());
        tar.extend(b"and more");
        let unpacked = sandbox.unpack_ok(&tar, &options());
        assert_eq!(shape(&sandbox.root()), "f \"\"\n");
        assert_eq!(
            unpacked.diff_id.digest(),
            &windlass_oci::Digest::sha256(&tar)
        );
    });
}

#[test]
fn tars_that_are_cut_short_are_refused() {
    confined(|sandbox| {
        let tar = Tar::new()
            .file("f", vec![b'x'; 1000])
            .file("g", "")
            .unended();
        for length in [700, 1511, 1600, 2000] {
            let refusal = sandbox.refusal(&tar[..length], &options());
            let (_, what) = refusal.split_once(": ").unwrap();
            let expected = "it is truncated";
            // 1511 cuts the last byte of the first file's content.
            assert_eq!(what, expected, "{length}");
        }
        let lone = Tar::new().file("f", "").raw(&[0; 512]).file("g", "").end();
        let refusal = sandbox.refusal(&lone, &options());
        assert_eq!(
            refusal,
            "invalid tar at byte 512: a single zero block is followed by data"
        );
    });
}
