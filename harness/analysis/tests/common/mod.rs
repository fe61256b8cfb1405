//! The service of `tests/service`, built with each Go at hand and run, for the dumps that it writes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The service, built with a release of Go for an architecture, and two dumps that it has written: before and after its leak.
pub struct Service {
    /// Such as `go1.19.8 amd64`.
    pub name: String,
    pub program: Vec<u8>,
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    go: PathBuf,
    arch: String,
}

impl Service {
    /// The same service, built with other flags.
    pub fn built_with(&self, flags: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("service");
        build(&self.go, &self.arch, flags, &program).unwrap();
        std::fs::read(program).unwrap()
    }
}

/// Architectures besides the host's, of 32 and of 64 bits and of both byte orders, and how QEMU calls them.
const QEMU: [(&str, &str); 7] = [
    ("386", "i386"),
    ("arm", "arm"),
    ("arm64", "aarch64"),
    ("mips", "mips"),
    ("mipsle", "mipsel"),
    ("ppc64", "ppc64"),
    ("s390x", "s390x"),
];

/// Runs a check on the services of all toolchains, built with some flags: the `go` of the host, and those of the folders that `HEAPMATRIX_GO`
/// names, separated by colons. `HEAPMATRIX_GOARCH` names further architectures, separated by commas, for which they build
/// it too; QEMU's user emulation runs it then.
pub fn each_service(sessions: u32, flags: &[&str], check: impl Fn(&Service)) {
    let mut commands = vec![PathBuf::from("go")];
    let folders = std::env::var_os("HEAPMATRIX_GO");
    commands.extend(folders.iter().flat_map(std::env::split_paths).map(|folder| folder.join("bin/go")));
    let others = std::env::var("HEAPMATRIX_GOARCH").unwrap_or_default();
    let others = others.split(',').filter(|arch| !arch.is_empty());
    let others: Vec<_> =
        others.map(|arch| (arch, QEMU.iter().find(|of| of.0 == arch).map_or(arch, |of| of.1))).collect();
    let host = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    let mut ran = 0;
    for go in &commands {
        let Some(release) = release(go) else {
            eprintln!("NOT RUN: {} does not work", go.display());
            continue;
        };
        // Processors of amd64 run 386 by themselves, and QEMU's user emulation of it fails with Go 1.19.
        let others =
            others.iter().map(|&(arch, qemu)| (arch, (host != "amd64" || arch != "386").then_some(qemu)));
        for (arch, qemu) in std::iter::once((host, None)).chain(others) {
            match service(go, &release, arch, qemu, flags, sessions) {
                Ok(service) => {
                    check(&service);
                    ran += 1;
                }
                Err(why) => eprintln!("NOT RUN: {release} for {arch}: {why}"),
            }
        }
    }
    if ran == 0 {
        eprintln!("NOT RUN: no Go builds and runs the service; name toolchains in HEAPMATRIX_GO");
    }
}

fn release(go: &Path) -> Option<String> {
    let output = Command::new(go).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2).map(str::to_owned)
}

fn service(
    go: &Path,
    release: &str,
    arch: &str,
    qemu: Option<&str>,
    flags: &[&str],
    sessions: u32,
) -> Result<Service, String> {
    let emulator = qemu.map(|qemu| format!("qemu-{qemu}"));
    if let Some(emulator) = &emulator
        && Command::new(emulator).arg("--version").output().is_err()
    {
        return Err(format!("{emulator} is missing"));
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let program = folder.path().join("service");
    build(go, arch, flags, &program)?;
    let dumps = [folder.path().join("before"), folder.path().join("after")];
    // Go 1.26 and 1.27 may throw while they write a dump, when a goroutine leaves a system call just then.
    let mut says = String::new();
    for _ in 0..3 {
        let mut command = match &emulator {
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let run =
            command.arg(sessions.to_string()).args(&dumps).output().map_err(|error| error.to_string())?;
        if run.status.success() {
            let read = |path: &Path| std::fs::read(path).expect("the service has written it");
            return Ok(Service {
                name: format!("{release} {arch}"),
                go: go.to_owned(),
                arch: arch.to_owned(),
                program: read(&program),
                before: read(&dumps[0]),
                after: read(&dumps[1]),
            });
        }
        says = format!("it ends with {}: {}", run.status, String::from_utf8_lossy(&run.stderr));
    }
    Err(says)
}

fn build(go: &Path, arch: &str, flags: &[&str], program: &Path) -> Result<(), String> {
    let built = Command::new(go)
        .args(["build", "-buildvcs=false", "-o"])
        .arg(program)
        .args(flags)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service"))
        .envs([("GOOS", "linux"), ("GOARCH", arch), ("CGO_ENABLED", "0"), ("GOFLAGS", "")])
        .envs([("GOWORK", "off"), ("GOTOOLCHAIN", "local"), ("GOPROXY", "off")])
        .output()
        .map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    Ok(())
}
