//! The sentences that stay: how a pull ended, or was stopped.

use windlass::{Origin, Outcome, PullPhase, PullView, Pulled, SkippedItems, percent};

use super::line::{Line, Look};
use crate::output::human;
use windlass::text::escape;

/// Returns the one line that a pull leaves behind. Those of `mirrors` that had a part in it are named.
pub(super) fn pulled(view: &PullView, pulled: &Pulled, mirrors: &[Origin]) -> Line {
    let mut line = Line::default();
    match pulled.outcome {
        Outcome::Downloaded => {
            line.push(Look::Good, "Pulled");
            line.push(Look::Strong, format!(" {}", view.name()));
            line.push(
                Look::Plain,
                format!(" in {}", human::duration(pulled.duration)),
            );
            line.push(Look::Plain, format!("  {}", amounts(pulled)));
            line.push(Look::Warning, skipped(view.skipped()));
        }
        Outcome::UpToDate => {
            line.push(Look::Strong, view.name());
            line.push(Look::Plain, " is up to date");
        }
    }
    line.push(Look::Faint, through(view, pulled, mirrors));
    line
}

/// The mirrors that said what the reference names, or delivered a layer.
fn through(view: &PullView, pulled: &Pulled, mirrors: &[Origin]) -> String {
    let sources = view
        .layers()
        .iter()
        .filter_map(|layer| layer.source.as_ref());
    let sources: Vec<&Origin> = sources.chain([&pulled.endpoint]).collect();
    let had_a_part = mirrors.iter().filter(|mirror| sources.contains(mirror));
    let names: Vec<_> = had_a_part
        .map(|mirror| escape(mirror.authority()))
        .collect();
    match names.len() {
        0 => String::new(),
        1 => format!("  (mirror: {})", names[0]),
        _ => format!("  (mirrors: {})", names.join(", ")),
    }
}

/// Returns what is said when a signal ended the pulls in `unfinished`, after `pulled` of `total` had
/// succeeded.
pub(super) fn stopped(unfinished: &[&PullView], pulled: usize, total: usize) -> String {
    // Between the last event and the signal the commit may have got through.
    if unfinished
        .iter()
        .any(|view| view.phase() == PullPhase::Committing)
    {
        return "Stopped while committing; `windlass images` shows what is there.".to_owned();
    }
    let missing = unfinished.iter().map(|view| view.missing_bytes()).sum();
    let downloaded: u64 = unfinished.iter().map(|view| view.downloaded()).sum();
    let place = match missing {
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
    format!("Stopped{place}.{done} {rest}")
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
