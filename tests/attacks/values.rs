//! What may stand in a body where a text or a number belongs, byte by byte.

/// Values of JSON that are none of a field's, and bytes that are no JSON.
pub(crate) fn raw_values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = JSON.iter().map(|text| text.as_bytes().to_vec()).collect();
    values.extend(BYTES.iter().map(|bytes| [b"\"", *bytes, b"\""].concat()));
    values.push(nested("[", "1", "]", 10_000));
    values.push(nested("{\"a\":", "1", "}", 10_000));
    values.push("[".repeat(10_000).into_bytes());
    values.push(nested("[", "1", "]", 100));
    values
}

fn nested(open: &str, core: &str, close: &str, depth: usize) -> Vec<u8> {
    format!("{}{core}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
}

const JSON: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "1.5",
    "1e400",
    "-1e400",
    "1e-400",
    "1E1",
    "2147483648",
    "9223372036854775808",
    "18446744073709551616",
    "1e19",
    "0.1",
    "[]",
    "[null]",
    "[[]]",
    "[\"x\"]",
    "{}",
    "{\"$ne\":1}",
    "{\"$gt\":\"\"}",
    "{\"$where\":\"1\"}",
    "{\"$regex\":\".*\"}",
    "{\"$oid\":\"x\"}",
    "{\"a\":{\"b\":{}}}",
    "[1,2,3]",
    "[-1]",
    "[1e400]",
    "[18,18]",
    "[18.0]",
    "[\"18\"]",
    "[0]",
    "[99999999999]",
    "\"\\ud800\"",
    "\"\\udfff\\ud800\"",
    "\"\\ud83d\"",
    "\"a\\u0000b\"",
    "\"\\u202e\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x41\"",
    "\"unended",
    "NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "nul",
    "01",
    "+1",
    "1.",
    ".5",
    "0x1",
    "'x'",
    "/*x*/1",
    "1,",
    "\"x\" \"y\"",
    "\"a\nb\"",
    "\"a\tb\"",
];
/// Between quotes: stray, cut off and overlong UTF-8, surrogates, other encodings.
const BYTES: &[&[u8]] = &[
    b"\xff",
    b"\xfe\xff",
    b"\x80",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"a\xffb",
    b"a\x00b",
    b"\xef\xbb\xbfx",
    b"\xe9",
];
