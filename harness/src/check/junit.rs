//! The report as JUnit XML, which CI systems show.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::{CaseReport, CheckReport};

/// The XML: a suite for each machine and format, a test for each dump.
///
/// # Errors
/// If it cannot be put into XML.
pub fn xml(report: &CheckReport) -> Result<String, quick_junit::SerializeError> {
    let mut suites: BTreeMap<(&str, &str), Vec<&CaseReport>> = BTreeMap::new();
    for case in &report.cases {
        suites.entry((&case.machine, &case.format)).or_default().push(case);
    }
    let mut xml = Report::new("heapmatrix check-reader");
    for ((machine, format), cases) in suites {
        let mut suite = TestSuite::new(format!("{machine}.{format}"));
        for case in cases {
            let mut status = match &case.what {
                None => TestCaseStatus::success(),
                Some(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            if let Some(what) = &case.what {
                status.set_type(case.verdict.name()).set_message(what);
            }
            let mut test = TestCase::new(&case.name, status);
            test.set_classname(format!("{machine}.{format}"));
            test.set_time(Duration::try_from_secs_f64(case.seconds).unwrap_or_default());
            suite.add_test_case(test);
        }
        xml.add_test_suite(suite);
    }
    xml.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::cases::Class;
    use super::super::report::{Verdict, tests::report};
    use super::*;

    #[test]
    fn each_dump_is_a_test_case() {
        let report = report(&[
            ("golden/386/a", Class::Corpus, "386", Verdict::Right),
            ("golden/386/<b>\u{1}", Class::Corpus, "386", Verdict::Wrong),
            ("golden/arm/c", Class::Corpus, "arm", Verdict::Crashed),
        ]);
        let xml = xml(&report).unwrap();
        assert!(xml.contains(r#"tests="3" failures="2" errors="0""#), "{xml}");
        assert!(
            xml.contains(r#"<testsuite name="386.go1.7" tests="2" disabled="0" errors="0" failures="1">"#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<testcase name="golden/386/a" classname="386.go1.7" time="0.500">"#),
            "{xml}"
        );
        assert!(xml.contains(r#"<failure message="records.object is 3, not 4" type="crashed""#), "{xml}");
        assert!(xml.contains("golden/386/&lt;b&gt;"), "{xml}");
        assert!(!xml.contains('\u{1}'), "control characters are not XML");
    }
}
