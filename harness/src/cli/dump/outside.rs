//! Dumps of core files and of processes that run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heapmatrix_process::{CoreFile, Dumper, Executable, Pieces, Process, ProcessError, Program};
use heapmatrix_writer::go119::{Doubts, Stopped};
use heapmatrix_writer::{Summary, Tag};
use serde::Serialize;

use super::super::input::whole_file;
use super::super::output::{Output, is_standard_output, refuse_input};
use super::super::whole::Whole;
use super::super::{Outcome, Verdict, note, print, print_json};
use super::Args;
use crate::units::{Bytes, Elapsed, Things};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    version: String,
    arch: &'static str,
    dialect: String,
    threads: usize,
    bytes: u64,
    objects: u64,
    goroutines: u64,
    frames: u64,
    /// For how long the process stood still, in seconds, and how many bytes of it were copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Standstill>,
    collecting: bool,
    unswept_spans: u64,
    spans_being_swept: u64,
    running_goroutines: u64,
    other_roots: u64,
    not_unwound: u64,
    not_unwound_first: Vec<NotUnwound>,
    undescribed_objects: u64,
    statistics: &'static str,
}

#[derive(Debug, Serialize)]
struct NotUnwound {
    goroutine: u64,
    reason: String,
}

/// How long a process stood still.
#[derive(Clone, Copy, Debug, Serialize)]
struct Standstill {
    seconds: f64,
    copied: u64,
}

impl Args {
    /// Dumps the process of a core file.
    pub(super) fn dump_core(&self, path: &Path) -> Outcome {
        let name =
            if is_standard_output(path) { "standard input".into() } else { path.display().to_string() };
        if let Ok(metadata) = std::fs::metadata(path) {
            refuse_input(&self.output, &metadata)?;
        }
        let file = whole_file(path)?;
        let core = CoreFile::parse(file.bytes()).map_err(|error| format!("{name}: {error}"))?;
        let paths = self.executables(&core, &name)?;
        let files: Vec<Whole> = paths.iter().map(|path| whole_file(path)).collect::<Result<_, _>>()?;
        let mut executables = Vec::new();
        for (path, file) in paths.iter().zip(&files) {
            let executable =
                Executable::parse(file.bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
            executables.push(executable);
        }
        let process = core.process(&executables).map_err(|error| match error {
            ProcessError::OtherProgram { .. }
            | ProcessError::OtherContents { .. }
            | ProcessError::OtherMachine { .. } => {
                format!("{}: {error}", paths[0].display())
            }
            error => format!("{name}: {error}"),
        })?;
        self.dump(&process, &executables[0], &paths[0].display().to_string(), None)
    }

    /// The programs of a core file: as they are named, or the one that it names itself.
    fn executables(&self, core: &CoreFile<'_>, name: &str) -> Result<Vec<PathBuf>, String> {
        if !self.exe.is_empty() {
            return Ok(self.exe.clone());
        }
        let Some(path) = core.program_path() else {
            return Err(format!("{name} does not say which program it is of: name it with --exe"));
        };
        let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
        if !path.exists() {
            let path = path.display();
            return Err(format!("{name} is of {path}, which is not here: name the program with --exe"));
        }
        Ok(vec![path])
    }

    /// Dumps a process that runs.
    #[cfg(target_os = "linux")]
    pub(super) fn dump_process(&self, pid: u32) -> Outcome {
        use heapmatrix_process::live::{LiveError, Snapshot, program_of};
        let elf = program_of(pid)?;
        let named = |error: ProcessError| format!("the program of process {pid}: {error}");
        let program = Executable::parse(&elf).map_err(named)?;
        // What is missing for a dump is told before the process is stopped.
        let symbols = symbols(&program);
        if !symbols.contains_key(VERSION) {
            return Err(named(ProcessError::NotGo).into());
        }
        let snapshot = Snapshot::take(pid, &program).map_err(|error| match error {
            LiveError::Process(error) => named(error),
            error => error.to_string(),
        })?;
        let process = snapshot.process(&program).map_err(named)?;
        let stopped = Standstill { seconds: snapshot.stopped_for.as_secs_f64(), copied: snapshot.bytes() };
        self.dump(&process, &program, &format!("process {pid}"), Some(stopped))
    }

    /// Elsewhere there is no such way to stop one.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn dump_process(&self, _: u32) -> Outcome {
        Err("processes that run can be dumped on Linux alone: take a core file, and dump that".into())
    }

    /// Dumps a process that stands still.
    fn dump(
        &self,
        process: &Process<Pieces<'_>>,
        program: &Executable<'_>,
        name: &str,
        standstill: Option<Standstill>,
    ) -> Outcome {
        if self.json && is_standard_output(&self.output) {
            return Err(
                "--json prints its report to standard output, where -o - writes the dump: name a file".into(),
            );
        }
        let named = |error: &dyn std::fmt::Display| format!("cannot dump {name}: {error}");
        let symbols = symbols(program);
        let symbol = |name: &str| symbols.get(name).copied();
        let of = Program { target: process.target, elf: program.data(), bias: process.bias, symbol: &symbol };
        let dumper =
            Dumper::open(&of, &process.memory, self.dialect, false).map_err(|error| named(&error))?;
        let stopped = Stopped::new(&process.threads);
        let mut output = Output::create(&self.output)?;
        let summary = dumper
            .dump(process.target, &process.memory, None, Some(&stopped), &mut output)
            .map_err(|error| named(&error))?;
        output.commit()?;
        let doubts = stopped.doubts();
        let report = Report::new(&dumper, process, &summary, &doubts, standstill);
        if self.json {
            print_json(&report)?;
        } else if is_standard_output(&self.output) {
            report.lines().for_each(note);
        } else {
            report.lines().try_for_each(|line| print(format_args!("{line}\n")))?;
        }
        Ok(Verdict::Sound)
    }
}

/// The symbol that every Go program has.
const VERSION: &str = "runtime.buildVersion";

/// The symbols of a program's runtime.
fn symbols(program: &Executable<'_>) -> HashMap<String, u64> {
    program.symbols(|name| name.starts_with("runtime.")).into_iter().collect()
}

impl Report {
    fn new(
        dumper: &Dumper,
        process: &Process<Pieces<'_>>,
        summary: &Summary,
        doubts: &Doubts,
        stopped: Option<Standstill>,
    ) -> Self {
        let not_unwound = doubts.not_unwound.iter();
        Report {
            version: dumper.version().to_owned(),
            arch: process.target.goarch(),
            dialect: dumper.dialect().to_string(),
            threads: process.threads.len(),
            bytes: summary.bytes,
            objects: summary.count(Tag::Object),
            goroutines: summary.count(Tag::Goroutine),
            frames: summary.count(Tag::StackFrame),
            stopped,
            collecting: doubts.collecting,
            unswept_spans: doubts.unswept_spans,
            spans_being_swept: doubts.spans_being_swept,
            running_goroutines: doubts.running,
            other_roots: doubts.other_roots,
            not_unwound: doubts.not_unwound_count,
            not_unwound_first: not_unwound
                .map(|(goroutine, reason)| NotUnwound { goroutine: *goroutine, reason: reason.clone() })
                .collect(),
            undescribed_objects: doubts.undescribed_objects,
            statistics: if doubts.statistics_computed { "computed" } else { "collected" },
        }
    }

    /// What people should know: what was dumped, and what it rests on.
    fn lines(&self) -> impl Iterator<Item = String> {
        let plural = |n: u64, what: &'static str| Things(n, what);
        let mut lines = Vec::new();
        let threads = plural(self.threads as u64, "thread");
        lines.push(format!("process      {} on {}, {threads}", self.version, self.arch));
        if let Some(Standstill { seconds, copied }) = self.stopped {
            let time = Elapsed(Duration::from_secs_f64(seconds));
            lines.push(format!("stood still  {time}, while {} were copied", Bytes(copied)));
        }
        let (objects, goroutines) = (plural(self.objects, "object"), plural(self.goroutines, "goroutine"));
        lines.push(format!("dump         {}, {objects}, {goroutines}", Bytes(self.bytes)));
        let mut told = |n: u64, line: String| {
            if n > 0 {
                lines.push(line);
            }
        };
        let n = self.running_goroutines;
        told(n, format!("running      {}, unwound from registers", plural(n, "goroutine")));
        told(self.other_roots, format!("registers    {} into the heap", plural(self.other_roots, "pointer")));
        told(
            self.collecting.into(),
            "collection   under way: objects that it has not freed yet are in the dump".to_owned(),
        );
        let n = self.unswept_spans;
        told(n, format!("unswept      {}, taken from mark bits", plural(n, "span")));
        let n = self.spans_being_swept;
        told(n, format!("being swept  {}, of which freed objects may be in the dump", plural(n, "span")));
        let n = self.undescribed_objects;
        told(n, format!("allocating   {}, whose pointers are not known", plural(n, "object")));
        let computed = u64::from(self.statistics == "computed");
        told(computed, "statistics   computed from the runtime's counters".to_owned());
        let n = self.not_unwound;
        for NotUnwound { goroutine, reason } in self.not_unwound_first.iter().take(3) {
            told(n, format!("not unwound  goroutine {goroutine}: {reason}"));
        }
        told(n.saturating_sub(3), format!("not unwound  {} more (--json tells them)", n.saturating_sub(3)));
        lines.into_iter()
    }
}
