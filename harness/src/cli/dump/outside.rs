//! Dumps of core files and of processes that run.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heapmatrix_process::{CoreFile, Dumper, Executable, Pieces, Process, ProcessError, Program};
use heapmatrix_writer::go119::{Doubts, Stopped};
use heapmatrix_writer::{Memory, Summary, Tag};
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
    /// Of a program without symbols: the runtime's variables that were not found by what they contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_found: Option<Vec<&'static str>>,
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
        if let Some(qemu) = qemu(&core).filter(|&qemu| Some(qemu) != paths[0].file_name()) {
            return Err(format!(
                "{name} is of {} itself: the core file of the program that it ran is called qemu_PROGRAM_….core",
                qemu.display()
            )
            .into());
        }
        let files: Vec<Whole> = paths.iter().map(|path| whole_file(path)).collect::<Result<_, _>>()?;
        let mut executables = Vec::new();
        for (path, file) in paths.iter().zip(&files) {
            let executable =
                Executable::parse(file.bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
            executables.push(executable);
        }
        let program = paths[0].display().to_string();
        let named = |error: ProcessError| format!("{program}: {error}");
        let process = core.process(&executables).map_err(named)?;
        let dumper = self.open(&process, &executables[0]).map_err(named)?;
        self.write(&dumper, &process, &name, self.create()?, None)
    }

    /// The programs of a core file: as they are named, or the one that it names itself.
    fn executables(&self, core: &CoreFile<'_>, name: &str) -> Result<Vec<PathBuf>, String> {
        if !self.exe.is_empty() {
            return Ok(self.exe.clone());
        }
        let Some(path) = core.program_path() else {
            let called = core.command().map_or(String::new(), |command| {
                format!(", which was run as {}", String::from_utf8_lossy(command))
            });
            return Err(format!("{name} does not say where its program is{called}: name it with --exe"));
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
        use heapmatrix_process::live::{LiveError, Snapshot, program_of, running};
        let elf = program_of(pid)?;
        let under_qemu = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"qemu-"))
        });
        let named = |error: ProcessError| {
            let hint = match error {
                ProcessError::NotGo if under_qemu => QEMU_RUNS_IT,
                _ => "",
            };
            format!("the program of process {pid}: {error}{hint}")
        };
        let program = Executable::parse(&elf).map_err(named)?;
        // What is missing for a dump is told before the process is stopped.
        let dumper = match self.open(&running(pid, &program)?, &program) {
            // What changes may not be recognised.
            Err(ProcessError::Search(_)) => None,
            dumper => Some(dumper.map_err(named)?).filter(|dumper| dumper.not_found().is_none()),
        };
        let output = self.create()?;
        let snapshot = Snapshot::take(pid, &program).map_err(|error| match error {
            LiveError::Process(error) => named(error),
            error => error.to_string(),
        })?;
        let process = snapshot.process(&program).map_err(named)?;
        let dumper = match dumper {
            Some(dumper) => dumper,
            None => self.open(&process, &program).map_err(named)?,
        };
        let stopped = Standstill { seconds: snapshot.stopped_for.as_secs_f64(), copied: snapshot.bytes() };
        self.write(&dumper, &process, &format!("process {pid}"), output, Some(stopped))
    }

    /// Elsewhere there is no such way to stop one.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn dump_process(&self, _: u32) -> Outcome {
        Err("processes that run can be dumped on Linux alone: take a core file, and dump that".into())
    }

    /// The dumper of a process.
    fn open(&self, process: &Process<impl Memory>, program: &Executable<'_>) -> Result<Dumper, ProcessError> {
        let symbols: HashMap<_, _> =
            program.symbols(|name| name.starts_with("runtime.")).into_iter().collect();
        let symbol = |name: &str| symbols.get(name).copied();
        let of = Program { target: process.target, elf: program.data(), bias: process.bias, symbol: &symbol };
        Dumper::open(&of, &process.memory, self.dialect, false)
    }

    /// Where the dump goes.
    fn create(&self) -> Result<Output, String> {
        if self.json && is_standard_output(&self.output) {
            return Err(
                "--json prints its report to standard output, where -o - writes the dump: name a file".into(),
            );
        }
        Output::create(&self.output)
    }

    /// Writes the dump of a process that stands still.
    fn write(
        &self,
        dumper: &Dumper,
        process: &Process<Pieces<'_>>,
        name: &str,
        mut output: Output,
        standstill: Option<Standstill>,
    ) -> Outcome {
        let stopped = Stopped::new(&process.threads);
        let summary = dumper
            .dump(process.target, &process.memory, None, Some(&stopped), &mut output)
            .map_err(|error| {
                let hint = if dumper.dialect().is_go15() { ONLY_WHERE_IT_DUMPS } else { "" };
                format!("cannot dump {name}: {error}{hint}")
            })?;
        output.commit()?;
        let doubts = stopped.doubts();
        let report = Report::new(dumper, process, &summary, &doubts, standstill);
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

/// What a dump of Go 1.5 may need that of today's does not.
const ONLY_WHERE_IT_DUMPS: &str = " (a process of Go 1.5 can be dumped where it is about to dump itself, with a breakpoint on \
     runtime.dumpparams, and not wherever it stands)";

/// What to do about a process that is an emulator's.
#[cfg(target_os = "linux")]
const QEMU_RUNS_IT: &str = ", but QEMU, which runs one of another machine; have that leave a core file (ulimit -c unlimited, \
     GOTRACEBACK=crash, kill -ABRT), and dump qemu_PROGRAM_….core";

/// The name of the emulator if a core file is of QEMU's user-mode emulation: the kernel's, and not the one that QEMU writes of
/// its guest.
fn qemu<'d>(core: &CoreFile<'d>) -> Option<&'d OsStr> {
    let name = core.program_path()?.rsplit(|&byte| byte == b'/').next()?;
    let name = OsStr::new(std::str::from_utf8(name).ok()?);
    name.as_encoded_bytes().starts_with(b"qemu-").then_some(name)
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
            statistics: match doubts.statistics_computed {
                true => "computed",
                // Go 1.5's are read as they are.
                false if dumper.dialect().is_go15() => "last collected",
                false => "collected",
            },
            not_found: dumper.not_found(),
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
        if let Some(names) = &self.not_found {
            let names: Vec<_> = names.iter().map(|name| name.trim_start_matches("runtime.")).collect();
            let but = if names.is_empty() { String::new() } else { format!(", but {}", names.join(", ")) };
            lines.push(format!("stripped     the runtime's variables were found by what they contain{but}"));
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
        let last = u64::from(self.statistics == "last collected");
        told(last, "statistics   as the program has collected them last".to_owned());
        let n = self.not_unwound;
        for NotUnwound { goroutine, reason } in self.not_unwound_first.iter().take(3) {
            told(n, format!("not unwound  goroutine {goroutine}: {reason}"));
        }
        told(n.saturating_sub(3), format!("not unwound  {} more (--json tells them)", n.saturating_sub(3)));
        lines.into_iter()
    }
}
