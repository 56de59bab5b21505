//! Differences between two documents.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A place where the responses to a request differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) request: String,
    /// Members from the top of the response, with dots between them; all entries of an array are `[]`.
    pub(super) place: String,
    theirs: Option<Value>,
    ours: Option<Value>,
}

/// Returns every place where the responses of `dockerd` and of windlass to `request` differ.
pub(super) fn compare(request: &str, theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(theirs), Some(ours), &mut |place, theirs, ours| {
        found.push(Difference {
            request: request.to_owned(),
            place: place.to_owned(),
            theirs: theirs.cloned(),
            ours: ours.cloned(),
        });
    });
    found
}

fn walk(
    place: &str,
    theirs: Option<&Value>,
    ours: Option<&Value>,
    report: &mut impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    match (theirs, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
            for name in names {
                let place = match place {
                    "" => name.clone(),
                    place => format!("{place}.{name}"),
                };
                walk(&place, theirs.get(name), ours.get(name), report);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) if theirs.len() == ours.len() => {
            for (theirs, ours) in theirs.iter().zip(ours) {
                walk(&format!("{place}[]"), Some(theirs), Some(ours), report);
            }
        }
        (theirs, ours) if theirs != ours => report(place, theirs, ours),
        _ => {}
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "nothing".to_owned(),
        };
        let (theirs, ours) = (text(&self.theirs), text(&self.ours));
        write!(
            f,
            "{} | {}\n    dockerd:  {theirs}\n    windlass: {ours}",
            self.request, self.place
        )
    }
}
