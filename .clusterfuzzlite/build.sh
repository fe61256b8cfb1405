#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite want them: in $OUT, for each target, the program, its seed corpus,
# its dictionary and its options. FUZZ_TARGETS names others than these; `writer` and `exec` build the Unicorn engine, with
# the features of their names.
#
# It runs outside of their containers as well: OUT=$PWD/out .clusterfuzzlite/build.sh
# The containers run a copy of this in the checkout.
[ -d corpora/fuzz/targets ] || cd "$(dirname "$0")/.."
cd corpora/fuzz
mkdir -p "${OUT:?where should the targets go?}"

host=$(rustc -vV | sed -n 's/^host: //p')
# The coverage flags of targets/.cargo/config.toml, which RUSTFLAGS would replace.
coverage=$(sed -n 's/^ *"\(-.*\)",$/\1/p' targets/.cargo/config.toml | tr '\n' ' ')
export RUSTFLAGS="${RUSTFLAGS:-} $coverage"
# libFuzzer as the container has it.
if [ -n "${LIB_FUZZING_ENGINE_DEPRECATED:-}" ]; then
    export CUSTOM_LIBFUZZER_PATH=$LIB_FUZZING_ENGINE_DEPRECATED CUSTOM_LIBFUZZER_STD_CXX=c++
fi

for target in ${FUZZ_TARGETS:-reader roundtrip laws salvage analysis program}; do
    features=()
    case $target in analysis | program | writer | exec) features=(--features "$target") ;; esac
    (cd targets && cargo build --release --locked --target-dir target --target "$host" --bin "$target" "${features[@]}")
    cp "targets/target/$host/release/$target" "$OUT/$target"
    printf '[libfuzzer]\ntimeout = 10\nrss_limit_mb = 1024\n' >"$OUT/$target.options"
    # Inputs that are dumps.
    case $target in
    reader | roundtrip | laws | salvage | analysis)
        cp heapdump.dict "$OUT/$target.dict"
        printf 'dict = %s.dict\n' "$target" >>"$OUT/$target.options"
        ;;
    esac
    if [ -d "corpus/$target" ]; then
        rm -f "$OUT/${target}_seed_corpus.zip"
        find "corpus/$target" -type f | sort | zip -q -j -X -@ "$OUT/${target}_seed_corpus.zip"
    fi
done
