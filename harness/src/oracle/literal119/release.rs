//! What the source of each release says, where they differ.

/// A release of Go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// 27 of Go 1.27.
    pub minor: u32,
    /// `goexperiment.GreenTeaGC`.
    pub green_tea: bool,
}

/// `internal/abi/symtab.go`; `runtime/symtab.go` up to Go 1.20.
pub(super) struct FuncIDs {
    pub asyncPreempt: u64,
    pub cgocallback: u64,
    pub corostart: u64,
    pub debugCallV2: u64,
    pub handleAsyncEvent: u64,
    pub runFinalizers: u64,
    pub runtime_main: u64,
    pub runCleanups: u64,
    pub sigpanic: u64,
}

/// A number that no function has.
const NONE: u64 = u64::MAX;

impl Release {
    /// That of a version such as `go1.27.3 X:nogreenteagc`.
    pub fn of(version: &str) -> Option<Release> {
        let (_, rest) = version.split_once("go1.")?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let minor = rest[..end].parse().ok().filter(|minor| (19..=27).contains(minor))?;
        let experiments = rest.split_once("X:").map_or("", |(_, experiments)| experiments);
        let is_on = |name| experiments.split([',', ' ']).any(|experiment| experiment == name);
        let green_tea = if minor < 26 { is_on("greenteagc") } else { !is_on("nogreenteagc") };
        Some(Release { minor, green_tea })
    }

    pub(super) fn funcIDs(self) -> FuncIDs {
        match self.minor {
            ..22 => FuncIDs {
                asyncPreempt: 3,
                cgocallback: 4,
                corostart: NONE,
                debugCallV2: 5,
                handleAsyncEvent: 10,
                runFinalizers: 16, // runfinq
                runtime_main: 17,
                runCleanups: NONE,
                sigpanic: 18,
            },
            22..25 => FuncIDs {
                asyncPreempt: 3,
                cgocallback: 4,
                corostart: 5,
                debugCallV2: 6,
                handleAsyncEvent: 11,
                runFinalizers: 17, // runfinq
                runtime_main: 18,
                runCleanups: NONE,
                sigpanic: 19,
            },
            25.. => FuncIDs {
                asyncPreempt: 3,
                cgocallback: 4,
                corostart: 5,
                debugCallV2: 6,
                handleAsyncEvent: 11,
                runtime_main: 17,
                runFinalizers: 18,
                runCleanups: 19,
                sigpanic: 20,
            },
        }
    }

    /// `_KindSpecialFinalizer`, mheap.go
    pub(super) fn _KindSpecialFinalizer(self) -> u64 {
        if self.minor >= 25 { 2 } else { 1 }
    }

    /// `_KindSpecialProfile`, mheap.go
    pub(super) fn _KindSpecialProfile(self) -> u64 {
        match self.minor {
            25.. => 4,
            23..25 => 3,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_are_part_of_the_version() {
        let of = |version| Release::of(version).map(|release| (release.minor, release.green_tea));
        assert_eq!(of("go1.27.3"), Some((27, true)));
        assert_eq!(of("go1.26.6 X:nogreenteagc,aliastypeparams"), Some((26, false)));
        assert_eq!(of("go1.25.5 X:greenteagc"), Some((25, true)));
        assert_eq!(of("go1.19.8"), Some((19, false)));
        assert_eq!(of("go1.5.4"), None);
        assert_eq!(of("devel"), None);
    }
}
