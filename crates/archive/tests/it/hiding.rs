//! Layers that record hidden files in another form than character devices and trusted attributes.

use windlass_archive::{HidingForm, Ownership, UnpackOptions};

use crate::builder::Tar;
use crate::sandbox::{confined, options};
use crate::shape::shape;

const FORMS: [HidingForm; 4] = [
    HidingForm::TRUSTED,
    HidingForm::USER,
    HidingForm {
        devices: false,
        trusted: true,
    },
    HidingForm {
        devices: false,
        trusted: false,
    },
];

fn with(hiding: HidingForm) -> UnpackOptions {
    UnpackOptions {
        hiding: Some(hiding),
        ..options()
    }
}

#[test]
fn each_form_records_what_is_hidden() {
    confined(|sandbox| {
        for form in FORMS {
            let tar = Tar::new()
                .file("d/.wh.gone", "")
                .file("o/.wh..wh..opq", "")
                .file("empty", "")
                .end();
            let unpacked = sandbox.unpack_ok(&tar, &with(form));
            let whiteout = match form.devices {
                true => " c 0:0",
                false => " \"\" user.overlay.whiteout=y",
            };
            let opaque = match form.trusted {
                true => "trusted",
                false => "user",
            };
            assert_eq!(
                shape(&sandbox.root()),
                format!("d/\nd/gone{whiteout}\nempty \"\"\no/ {opaque}.overlay.opaque=y\n")
            );
            let usual = options().ownership.usual_hiding();
            assert_eq!(unpacked.hides_unusually, form != usual, "{form:?}");
            sandbox.reset();
        }
    });
}

/// An entry at or below a whiteout of its own layer, in either order, and a link to one.
#[test]
fn whiteouts_of_a_layer_do_not_hide_its_own_files() {
    confined(|sandbox| {
        for form in FORMS {
            let options = with(form);
            let opaque = match form.trusted {
                true => "trusted.overlay.opaque=y",
                false => "user.overlay.opaque=y",
            };
            let tar = Tar::new()
                .file(".wh.f", "")
                .file("f", "of the layer")
                .file("g", "of the layer")
                .file(".wh.g", "")
                .file(".wh.d", "")
                .file("d/x", "1")
                .dir("e")
                .file(".wh.e", "")
                .end();
            sandbox.unpack_ok(&tar, &options);
            let text = shape(&sandbox.root());
            let expected = format!(
                "d/ {opaque}\nd/x \"1\"\ne/ {opaque}\nf \"of the layer\"\ng \"of the layer\"\n"
            );
            assert_eq!(text, expected, "{form:?}");
            sandbox.reset();

            let tar = Tar::new().file(".wh.f", "").link("l", "f").end();
            let error = sandbox.unpack_error(&tar, &options);
            assert_eq!(
                error, "entry l: its hard link target f does not exist",
                "{form:?}"
            );
            sandbox.reset();
        }
    });
}

/// A layer cannot mark files of its own as hidden (A21).
#[test]
fn attributes_of_entries_hide_nothing() {
    confined(|sandbox| {
        let file = crate::builder::Entry::file("f", "").xattr("user.overlay.whiteout", "y");
        let tar = Tar::new().entry(file).end();
        let unpacked = sandbox.unpack_ok(&tar, &with(FORMS[3]));
        assert_eq!(shape(&sandbox.root()), "f \"\"\n");
        assert!(!unpacked.hides_unusually);
    });
}

#[test]
fn the_usual_form_depends_on_the_rights() {
    assert_eq!(Ownership::Exact.usual_hiding(), HidingForm::TRUSTED);
    assert_eq!(Ownership::CurrentUser.usual_hiding(), HidingForm::USER);
}
