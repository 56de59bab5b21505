//! The table of medians, for people, and every run, for machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::image::BenchImage;
use super::machine::Machine;
use super::measure::Figures;
use super::tool::Tool;

/// What a reader of the table has to know.
const PREAMBLE: &str = include_str!("preamble.md");

/// What came of a run.
pub(super) type Outcome = anyhow::Result<Figures>;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    runs: usize,
    images: Vec<ImageReport>,
}

/// What was measured of one image.
#[derive(Debug, Serialize)]
struct ImageReport {
    name: &'static str,
    layers: usize,
    files: u64,
    compressed: u64,
    unpacked: u64,
    tools: Vec<ToolReport>,
}

/// What was measured of one tool.
#[derive(Debug, Serialize)]
struct ToolReport {
    tool: Tool,
    runs: Vec<Figures>,
    /// Why runs failed, and how often.
    failures: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn new(runs: usize, images: &[BenchImage], tools: &[Tool]) -> Self {
        let images = images.iter().map(|image| ImageReport {
            name: image.kind.name(),
            layers: image.layers.len(),
            files: image.files,
            compressed: image.compressed(),
            unpacked: image.unpacked,
            tools: tools.iter().map(|&tool| ToolReport::new(tool)).collect(),
        });
        Self {
            machine: Machine::here(tools),
            runs,
            images: images.collect(),
        }
    }

    /// Takes one run's outcome in.
    pub(super) fn add(&mut self, image: &BenchImage, tool: Tool, outcome: &Outcome) {
        let mut images = self.images.iter_mut();
        let image = images.find(|report| report.name == image.kind.name());
        let tools = image.into_iter().flat_map(|image| &mut image.tools);
        for report in tools.filter(|report| report.tool == tool) {
            match outcome {
                Ok(figures) => report.runs.push(*figures),
                Err(error) => *report.failures.entry(format!("{error:#}")).or_default() += 1,
            }
        }
    }

    /// Writes every run to `path`, as JSON.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }

    /// Prints the tables.
    pub(super) fn print(&self) {
        #[expect(clippy::print_stdout, reason = "the chore's result")]
        {
            println!("{}", self.tables());
        }
    }

    /// Writes the page with the tables to `path`.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        Ok(fs::write(
            path,
            format!("{PREAMBLE}\n{}\n{}", self.facts(), self.tables()),
        )?)
    }

    fn facts(&self) -> String {
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

    fn tables(&self) -> String {
        self.images
            .iter()
            .map(ImageReport::table)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl ImageReport {
    fn table(&self) -> String {
        let mut table = format!(
            "### {}\n\n{} layers, {} files; {} MB to download, {} MB unpacked.\n\n",
            self.name,
            self.layers,
            self.files,
            self.compressed / 1_000_000,
            self.unpacked / 1_000_000
        );
        table.push_str("| | wall | × windlass | with sync | CPU | × windlass | peak memory |\n");
        table.push_str("|---|--:|--:|--:|--:|--:|--:|\n");
        let windlass = self
            .tools
            .iter()
            .find(|report| report.tool == Tool::Windlass);
        let windlass = windlass.and_then(ToolReport::median);
        for report in &self.tools {
            table.push_str(&report.row(windlass));
        }
        table.extend(self.tools.iter().map(ToolReport::notes));
        table
    }
}

impl ToolReport {
    fn new(tool: Tool) -> Self {
        Self {
            tool,
            runs: Vec::new(),
            failures: BTreeMap::new(),
        }
    }

    fn row(&self, windlass: Option<Figures>) -> String {
        let name = self.tool.description();
        let Some(Figures {
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

    /// What is said below the table about runs that failed.
    fn notes(&self) -> String {
        let note = |(reason, times): (&String, &usize)| {
            format!(
                "\n{}: {times} failed: `{reason}`\n",
                self.tool.description()
            )
        };
        self.failures.iter().map(note).collect()
    }

    /// The median of each figure by itself.
    fn median(&self) -> Option<Figures> {
        let median = |figure: fn(&Figures) -> f64| {
            let mut sorted: Vec<f64> = self.runs.iter().map(figure).collect();
            sorted.sort_by(f64::total_cmp);
            let middle = sorted.len() / 2;
            match sorted.len() {
                0 => None,
                odd if odd % 2 == 1 => Some(sorted[middle]),
                _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
            }
        };
        let mut memory: Vec<u64> = self.runs.iter().map(|figures| figures.memory).collect();
        memory.sort_unstable();
        Some(Figures {
            wall: median(|figures| figures.wall)?,
            sync: median(|figures| figures.wall + figures.sync)? - median(|figures| figures.wall)?,
            cpu: median(|figures| figures.cpu)?,
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

/// Tells the person who waits about a run.
pub(super) fn progress(image: &BenchImage, run: usize, tool: Tool, outcome: &Outcome) {
    let came = match outcome {
        Ok(Figures {
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
    };
    #[expect(
        clippy::print_stderr,
        reason = "a chore's progress, for the person who started it"
    )]
    {
        eprintln!("{} run {run}: {tool}: {came}", image.kind.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(wall: f64, cpu: f64, memory: u64) -> Figures {
        Figures {
            wall,
            sync: wall / 10.0,
            cpu,
            memory: memory << 20,
        }
    }

    #[test]
    fn a_table_has_medians_ratios_and_what_failed() {
        let windlass = ToolReport {
            tool: Tool::Windlass,
            runs: vec![
                figures(4.0, 3.0, 30),
                figures(1.0, 1.0, 10),
                figures(2.0, 2.0, 20),
            ],
            failures: BTreeMap::new(),
        };
        let podman = ToolReport {
            tool: Tool::Podman,
            runs: vec![figures(6.0, 8.0, 100), figures(8.0, 10.0, 200)],
            failures: BTreeMap::from([("no space".to_owned(), 1)]),
        };
        let image = ImageReport {
            name: "mixed",
            layers: 4,
            files: 43_490,
            compressed: 152_000_000,
            unpacked: 603_000_000,
            tools: vec![windlass, podman, ToolReport::new(Tool::Umoci)],
        };

        let table = image.table();

        assert_eq!(
            table,
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
}
