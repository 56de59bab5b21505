//! The results: tables of medians, and all runs as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::image::BenchImage;
use super::machine::Machine;
use super::measure::Measurement;
use super::page;

/// The result of a run.
pub(super) type RunOutcome = anyhow::Result<Measurement>;

/// A part of the page, with its measurements.
#[derive(Debug, Serialize)]
pub(super) struct BenchReport {
    /// The heading of the part.
    title: &'static str,
    /// The introduction of the part.
    #[serde(skip)]
    preamble: &'static str,
    machine: Machine,
    runs: usize,
    /// One for each image.
    pub(super) tables: Vec<ReportTable>,
}

/// The measurements of one image.
#[derive(Debug, Serialize)]
pub(super) struct ReportTable {
    name: &'static str,
    layers: usize,
    files: u64,
    compressed: u64,
    unpacked: u64,
    pub(super) groups: Vec<RowGroup>,
}

/// Rows that are compared with each other; ratios are relative to windlass.
#[derive(Debug, Serialize)]
pub(super) struct RowGroup {
    /// The task, in tables with several tasks.
    task: Option<&'static str>,
    pub(super) rows: Vec<ReportRow>,
}

/// The measurements of one tool.
#[derive(Debug, Serialize)]
pub(super) struct ReportRow {
    tool: &'static str,
    #[serde(skip)]
    description: &'static str,
    runs: Vec<Measurement>,
    /// The errors of failed runs, with their number.
    failures: BTreeMap<String, usize>,
}

/// The name of the tool that the others are compared with.
const WINDLASS: &str = "windlass";

impl BenchReport {
    /// Creates a report without measurements.
    pub(super) fn new(
        title: &'static str,
        preamble: &'static str,
        runs: usize,
        programs: &[&str],
        tables: Vec<ReportTable>,
    ) -> Self {
        let machine = Machine::current(programs);
        Self {
            title,
            preamble,
            machine,
            runs,
            tables,
        }
    }

    /// Writes all runs to `path`, as JSON.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }

    /// Prints the tables.
    pub(super) fn print(&self) {
        #[expect(clippy::print_stdout, reason = "the result of the benchmark")]
        {
            println!("{}", self.table_texts());
        }
    }

    /// Replaces this part of the page at `path`; the other parts stay.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let before = fs::read_to_string(path)?;
        let part = format!(
            "{}\n{}\n{}",
            self.preamble,
            self.environment_text(),
            self.table_texts()
        );
        Ok(fs::write(
            path,
            page::with_part(&before, self.title, &part),
        )?)
    }

    fn environment_text(&self) -> String {
        let Machine {
            cores,
            processor,
            memory,
            kernel,
            versions,
        } = &self.machine;
        format!(
            "Medians of {} runs. {cores} cores, {processor}, {memory} GiB of memory, {kernel}.\n\
             {}.\n",
            self.runs,
            versions.join(", ")
        )
    }

    fn table_texts(&self) -> String {
        let texts: Vec<_> = self.tables.iter().map(ReportTable::text).collect();
        texts.join("\n")
    }
}

impl ReportTable {
    pub(super) fn new(image: &BenchImage, groups: Vec<RowGroup>) -> Self {
        Self {
            name: image.kind.name(),
            layers: image.layers.len(),
            files: image.files,
            compressed: image.compressed(),
            unpacked: image.unpacked,
            groups,
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "### {}\n\n{} layers, {} files; {} MB to download, {} MB unpacked.\n\n",
            self.name,
            self.layers,
            self.files,
            self.compressed / 1_000_000,
            self.unpacked / 1_000_000
        );
        text.push_str("| | wall | × windlass | with sync | CPU | × windlass | peak memory |\n");
        text.push_str("|---|--:|--:|--:|--:|--:|--:|\n");
        text.extend(self.groups.iter().map(RowGroup::text));
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        text.extend(rows.map(ReportRow::notes));
        text
    }
}

impl RowGroup {
    pub(super) fn new(task: Option<&'static str>, rows: Vec<ReportRow>) -> Self {
        Self { task, rows }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(task) = self.task {
            text = format!("| **{task}** | | | | | | |\n");
        }
        let windlass = self.rows.iter().find(|row| row.tool == WINDLASS);
        let windlass = windlass.and_then(ReportRow::median);
        text.extend(self.rows.iter().map(|row| row.text(windlass)));
        text
    }
}

impl ReportRow {
    /// Creates a row for `tool`, as named on the command line, with its `description` on the page.
    pub(super) fn new(tool: &'static str, description: &'static str) -> Self {
        Self {
            tool,
            description,
            runs: Vec::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Adds the result of a run, and prints it as progress.
    pub(super) fn add(&mut self, what: &str, outcome: RunOutcome) {
        progress(&format!(
            "{what}: {}: {}",
            self.tool,
            describe_outcome(&outcome)
        ));
        match outcome {
            Ok(measurement) => self.runs.push(measurement),
            Err(error) => *self.failures.entry(format!("{error:#}")).or_default() += 1,
        }
    }

    fn text(&self, windlass: Option<Measurement>) -> String {
        let name = self.description;
        let Some(Measurement {
            wall,
            sync,
            cpu,
            memory,
        }) = self.median()
        else {
            return format!("| {name} | – | – | – | – | – | – |\n");
        };
        format!(
            "| {name} | {wall:.2} s | {} | {:.2} s | {cpu:.2} s | {} | {} MiB |\n",
            ratio(wall, windlass.map(|windlass| windlass.wall)),
            wall + sync,
            ratio(cpu, windlass.map(|windlass| windlass.cpu)),
            memory >> 20
        )
    }

    /// Returns the notes below the table about failed runs.
    fn notes(&self) -> String {
        let note = |(reason, times): (&String, &usize)| {
            format!("\n{}: {times} failed: `{reason}`\n", self.description)
        };
        self.failures.iter().map(note).collect()
    }

    /// Returns the median of each value by itself.
    fn median(&self) -> Option<Measurement> {
        let median = |figure: fn(&Measurement) -> f64| {
            let mut sorted: Vec<f64> = self.runs.iter().map(figure).collect();
            sorted.sort_by(f64::total_cmp);
            let middle = sorted.len() / 2;
            match sorted.len() {
                0 => None,
                odd if odd % 2 == 1 => Some(sorted[middle]),
                _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
            }
        };
        let mut memory: Vec<u64> = self
            .runs
            .iter()
            .map(|measurement| measurement.memory)
            .collect();
        memory.sort_unstable();
        Some(Measurement {
            wall: median(|measurement| measurement.wall)?,
            sync: median(|measurement| measurement.wall + measurement.sync)?
                - median(|measurement| measurement.wall)?,
            cpu: median(|measurement| measurement.cpu)?,
            memory: memory[memory.len() / 2],
        })
    }
}

fn ratio(figure: f64, windlass: Option<f64>) -> String {
    windlass.map_or_else(
        || "–".to_owned(),
        |windlass| format!("{:.2}", figure / windlass),
    )
}

fn describe_outcome(outcome: &RunOutcome) -> String {
    match outcome {
        Ok(Measurement {
            wall,
            sync,
            cpu,
            memory,
        }) => {
            format!(
                "{wall:.2} s, sync {sync:.2} s, CPU {cpu:.2} s, {} MiB",
                memory >> 20
            )
        }
        Err(error) => format!("failed: {error:#}"),
    }
}

/// Prints progress.
pub(super) fn progress(message: &str) {
    #[expect(clippy::print_stderr, reason = "the progress of the benchmark")]
    {
        eprintln!("{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(wall: f64, cpu: f64, memory: u64) -> Measurement {
        Measurement {
            wall,
            sync: wall / 10.0,
            cpu,
            memory: memory << 20,
        }
    }

    fn row(tool: &'static str, description: &'static str, runs: &[Measurement]) -> ReportRow {
        ReportRow {
            runs: runs.to_vec(),
            ..ReportRow::new(tool, description)
        }
    }

    fn table(groups: Vec<RowGroup>) -> ReportTable {
        ReportTable {
            name: "mixed",
            layers: 4,
            files: 43_490,
            compressed: 152_000_000,
            unpacked: 603_000_000,
            groups,
        }
    }

    #[test]
    fn a_table_has_medians_ratios_and_failures() {
        let runs = [
            measurement(4.0, 3.0, 30),
            measurement(1.0, 1.0, 10),
            measurement(2.0, 2.0, 20),
        ];
        let windlass = row("windlass", "windlass pull", &runs);
        let runs = [measurement(6.0, 8.0, 100), measurement(8.0, 10.0, 200)];
        let podman = ReportRow {
            failures: BTreeMap::from([("no space".to_owned(), 1)]),
            ..row("podman", "podman pull", &runs)
        };
        let umoci = ReportRow::new("umoci", "skopeo copy && umoci unpack");
        let rows = vec![windlass, podman, umoci];

        assert_eq!(
            table(vec![RowGroup::new(None, rows)]).text(),
            "\
### mixed

4 layers, 43490 files; 152 MB to download, 603 MB unpacked.

| | wall | × windlass | with sync | CPU | × windlass | peak memory |
|---|--:|--:|--:|--:|--:|--:|
| windlass pull | 2.00 s | 1.00 | 2.20 s | 2.00 s | 1.00 | 20 MiB |
| podman pull | 7.00 s | 3.50 | 7.70 s | 9.00 s | 4.50 | 200 MiB |
| skopeo copy && umoci unpack | – | – | – | – | – | – |

podman pull: 1 failed: `no space`
"
        );
    }

    #[test]
    fn each_task_is_compared_with_windlass_at_the_same_task() {
        let group = |task, wall| {
            let windlass = row("windlass", "windlass", &[measurement(wall, 1.0, 10)]);
            let skopeo = row("skopeo", "skopeo", &[measurement(6.0, 1.0, 10)]);
            RowGroup::new(Some(task), vec![windlass, skopeo])
        };
        let text = table(vec![group("save", 2.0), group("load", 3.0)]).text();
        let rows = text.split_once("--:|\n").unwrap().1;
        assert_eq!(
            rows,
            "\
| **save** | | | | | | |
| windlass | 2.00 s | 1.00 | 2.20 s | 1.00 s | 1.00 | 10 MiB |
| skopeo | 6.00 s | 3.00 | 6.60 s | 1.00 s | 1.00 | 10 MiB |
| **load** | | | | | | |
| windlass | 3.00 s | 1.00 | 3.30 s | 1.00 s | 1.00 | 10 MiB |
| skopeo | 6.00 s | 2.00 | 6.60 s | 1.00 s | 1.00 | 10 MiB |
"
        );
    }
}
