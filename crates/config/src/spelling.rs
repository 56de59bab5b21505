//! Finds the key that a misspelled one was probably meant to be.

/// Returns the key among `known` that `found` was probably meant to be.
pub(crate) fn nearest(found: &str, known: &[&'static str]) -> Option<&'static str> {
    let found: Vec<char> = found
        .to_lowercase()
        .replace('_', "-")
        .chars()
        .take(64)
        .collect();
    let (changes, key) = known
        .iter()
        .map(|key| {
            (
                edit_distance(&found, &key.chars().collect::<Vec<_>>()),
                *key,
            )
        })
        .min()?;
    (changes <= 1 + key.len() / 5).then_some(key)
}

/// Returns the number of letters to insert, delete or replace to turn one word into the other.
fn edit_distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, one) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(one != other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_that_was_meant() {
        let known = ["insecure-registries", "downloads", "ca", "url"];
        for (found, expected) in [
            ("insecure_registries", Some("insecure-registries")),
            ("insecure-registry", Some("insecure-registries")),
            ("download", Some("downloads")),
            ("cs", Some("ca")),
            ("uri", Some("url")),
            ("mirrors", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, &known), expected, "{found}");
        }
    }
}
