//! The final messages of pulls that succeeded or were stopped.

use windlass::registry::Origin;
use windlass::text::escape;
use windlass::transfer::{PullPhase, PullView, percent};
use windlass::{PullOutcome, Pulled, SkippedItems};

use crate::human;
use crate::styled_line::{StyledLine, TextStyle};

/// Returns the message of a successful pull. It names the mirrors that were used.
pub(crate) fn pulled(view: &PullView, pulled: &Pulled, mirrors: &[Origin]) -> StyledLine {
    let mut line = StyledLine::default();
    match pulled.outcome {
        PullOutcome::Downloaded => {
            line.push(TextStyle::Good, "Pulled");
            line.push(TextStyle::Strong, format!(" {}", view.name()));
            line.push(
                TextStyle::Plain,
                format!(" in {}", human::duration(pulled.duration)),
            );
            line.push(TextStyle::Plain, format!("  {}", amounts(pulled)));
            line.push(TextStyle::Warning, skipped(view.skipped()));
        }
        PullOutcome::UpToDate => {
            line.push(TextStyle::Strong, view.name());
            line.push(TextStyle::Plain, " is up to date");
        }
    }
    line.push(TextStyle::Warning, missing_artifacts(pulled));
    line.push(TextStyle::Faint, used_mirrors(view, pulled, mirrors));
    line
}

/// Returns the mirrors that resolved the reference or sent a layer.
fn used_mirrors(view: &PullView, pulled: &Pulled, mirrors: &[Origin]) -> String {
    let sources = view
        .layers()
        .iter()
        .filter_map(|layer| layer.source.as_ref());
    let sources: Vec<&Origin> = sources.chain([&pulled.endpoint]).collect();
    let used = mirrors.iter().filter(|mirror| sources.contains(mirror));
    let names: Vec<_> = used.map(|mirror| escape(mirror.authority())).collect();
    match names.len() {
        0 => String::new(),
        1 => format!("  (mirror: {})", names[0]),
        _ => format!("  (mirrors: {})", names.join(", ")),
    }
}

/// Returns the message after a signal stopped the unfinished pulls, when `pulled` of `total` pulls had succeeded.
pub(crate) fn stopped(unfinished: &[&PullView], pulled: usize, total: usize) -> String {
    // The commit may have completed between the last event and the signal.
    if unfinished
        .iter()
        .any(|view| view.phase() == PullPhase::Committing)
    {
        return "Stopped while committing; `windlass images` shows what is there.".to_owned();
    }
    let missing = unfinished.iter().map(|view| view.missing_bytes()).sum();
    let downloaded: u64 = unfinished.iter().map(|view| view.downloaded()).sum();
    let position = match missing {
        0 => String::new(),
        _ => format!(" at {}%", percent(downloaded, missing)),
    };
    let done = match pulled {
        0 => String::new(),
        _ => format!(" {pulled} of {total} images pulled;"),
    };
    let rest = match (downloaded, pulled) {
        (0, 0) => "Nothing was changed.".to_owned(),
        (0, _) => "nothing else was changed.".to_owned(),
        _ => format!("{} kept; the next pull resumes.", human::amount(downloaded)),
    };
    format!("Stopped{position}.{done} {rest}")
}

fn amounts(pulled: &Pulled) -> String {
    let mut amounts = vec![format!("{} down", human::amount(pulled.downloaded_bytes))];
    if pulled.reused_bytes > 0 {
        amounts.push(format!("{} reused", human::amount(pulled.reused_bytes)));
    }
    if pulled.unpacked_bytes > 0 {
        amounts.push(format!("{} unpacked", human::about(pulled.unpacked_bytes)));
    }
    amounts.join(", ")
}

fn missing_artifacts(pulled: &Pulled) -> String {
    match pulled.missing_artifacts.len() {
        0 => String::new(),
        missing => {
            let missing = human::count(missing as u64, "artifact");
            format!(", without {missing} of the index")
        }
    }
}

fn skipped(skipped: SkippedItems) -> String {
    let devices = (skipped.devices > 0).then(|| human::count(skipped.devices, "device node"));
    let xattrs = (skipped.xattrs > 0).then(|| human::count(skipped.xattrs, "extended attribute"));
    let parts: Vec<String> = devices.into_iter().chain(xattrs).collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(", without {}", parts.join(" and "))
    }
}
