//! Emulated amd64, 386, arm and ppc64 machines with Go 1.5 runtime images.
pub mod guest;
pub mod image;
pub mod linux;
pub mod machine;
pub mod memory;
pub mod run;
pub mod world;
