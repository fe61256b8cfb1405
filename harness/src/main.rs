//! The `heapmatrix` command.
use std::process::ExitCode;

fn main() -> ExitCode {
    heapmatrix::cli::main()
}
