//! Go 1.5's runtime as it lies in the target's memory: its structures, and the functions of it that
//! the dump calls. One module for each part of the runtime.

pub(crate) mod bitmap;
pub(crate) mod finalizers;
pub(crate) mod goroutine;
pub(crate) mod heap;
pub(crate) mod layout;
pub(crate) mod list;
pub(crate) mod pclntab;
pub(crate) mod process;
pub(crate) mod profile;
pub(crate) mod structs;
pub(crate) mod symtab;
pub(crate) mod traceback;
pub(crate) mod types;
