//! The signatures of AWS's own test suite for Signature Version 4, as its client libraries carry it. The cases that
//! switch off the normalization of paths, or carry tokens of sessions, are left out: this server knows neither.

use sha2::{Digest, Sha256};

use super::canonical::encoded;
use super::date::Date;
use super::key::AccessKey;
use super::presented::Presented;
use super::{Scope, SignedRequest, is_signed_with};

const DATE: &str = "20150830T123600Z";
const CREDENTIAL: &str = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
const HOST: (&str, &str) = ("host", "example.amazonaws.com");

struct Vector {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    in_header: &'static str,
    in_query: &'static str,
}

fn names(headers: &[(&str, &str)]) -> String {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(";")
}

fn is_right(vector: &Vector, query: &str, headers: &[(&str, &str)]) -> bool {
    let request = SignedRequest {
        method: vector.method,
        path: vector.path,
        query,
        headers: headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect(),
        body: vector.body.as_bytes(),
    };
    let key = AccessKey::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let presented = Presented::of(&request).unwrap();
    let scope = Scope::parse(&presented.credential).unwrap();
    is_signed_with(Some(&key), &request, &presented, Date::parse(&presented.date).unwrap(), &scope)
}

fn is_right_in_header(vector: &Vector, signature: &str) -> bool {
    let hash = hex::encode(Sha256::digest(vector.body));
    let mut headers = [vector.headers, &[HOST, ("x-amz-date", DATE)]].concat();
    if !vector.body.is_empty() {
        headers.push(("x-amz-content-sha256", &hash));
    }
    let names = names(&headers);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders={names}, Signature={signature}");
    headers.push(("authorization", &authorization));
    is_right(vector, vector.query, &headers)
}

fn is_right_in_query(vector: &Vector, signature: &str) -> bool {
    let headers = [vector.headers, &[HOST]].concat();
    let query = format!(
        "{}&X-Amz-Signature={signature}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={DATE}\
         &X-Amz-Expires=3600&X-Amz-SignedHeaders={}",
        vector.query,
        encoded(CREDENTIAL.as_bytes()),
        encoded(names(&headers).as_bytes()),
    );
    is_right(vector, &query, &headers)
}

#[test]
fn the_signatures_of_the_suite_are_right_and_no_others() {
    for vector in VECTORS {
        assert!(is_right_in_header(vector, vector.in_header), "{} in the header", vector.name);
        assert!(!is_right_in_header(vector, vector.in_query), "{} in the header", vector.name);
        assert!(is_right_in_query(vector, vector.in_query), "{} in the query", vector.name);
        assert!(!is_right_in_query(vector, vector.in_header), "{} in the query", vector.name);
    }
}

/// Only its path is published: it is encoded once more than it was sent.
#[test]
fn an_encoded_path_is_encoded_again() {
    let path =
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations";
    let expected = "/2015-03-31/functions/arn%253Aaws%253Alambda%253Aus-west-2%253A892717189312%253Afunction%253A\
                    my-rusty-fun/invocations";
    assert_eq!(super::canonical::canonical_path(path), expected);
}

const VECTORS: &[Vector] = &[
    Vector {
        name: "get-header-key-duplicate",
        method: "GET",
        path: "/",
        query: "",
        headers: &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        body: "",
        in_header: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        in_query: "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97",
    },
    Vector {
        name: "get-header-value-multiline",
        method: "GET",
        path: "/",
        query: "",
        headers: &[("my-header1", "value1\n  value2\n     value3")],
        body: "",
        in_header: "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
        in_query: "e6f5def831211aca02987a44b96826706278c7bc078112ae0263659c5b2f2d56",
    },
    Vector {
        name: "get-header-value-order",
        method: "GET",
        path: "/",
        query: "",
        headers: &[
            ("my-header1", "value4"),
            ("my-header1", "value1"),
            ("my-header1", "value3"),
            ("my-header1", "value2"),
        ],
        body: "",
        in_header: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        in_query: "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e",
    },
    Vector {
        name: "get-header-value-trim",
        method: "GET",
        path: "/",
        query: "",
        headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        body: "",
        in_header: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        in_query: "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4",
    },
    Vector {
        name: "get-relative-normalized",
        method: "GET",
        path: "/example/..",
        query: "",
        headers: &[],
        body: "",
        in_header: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        in_query: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
    },
    Vector {
        name: "get-relative-relative-normalized",
        method: "GET",
        path: "/example1/example2/../..",
        query: "",
        headers: &[],
        body: "",
        in_header: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        in_query: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
    },
    Vector {
        name: "get-slash-dot-slash-normalized",
        method: "GET",
        path: "/./",
        query: "",
        headers: &[],
        body: "",
        in_header: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        in_query: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
    },
    Vector {
        name: "get-slash-normalized",
        method: "GET",
        path: "//",
        query: "",
        headers: &[],
        body: "",
        in_header: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        in_query: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
    },
    Vector {
        name: "get-slash-pointless-dot-normalized",
        method: "GET",
        path: "/./example",
        query: "",
        headers: &[],
        body: "",
        in_header: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
        in_query: "35034b1a0bdd969f346975386daf8aedfd4976573b8348cf4f67eaa41c5857de",
    },
    Vector {
        name: "get-slashes-normalized",
        method: "GET",
        path: "//example//",
        query: "",
        headers: &[],
        body: "",
        in_header: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        in_query: "c1834e8fb0307243711f0f907f6ab7311ed300d87f13792d7ee4da89ab93e082",
    },
    Vector {
        name: "get-space-unnormalized",
        method: "GET",
        path: "/example space/",
        query: "",
        headers: &[],
        body: "",
        in_header: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
        in_query: "7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6",
    },
    Vector {
        name: "get-unreserved",
        method: "GET",
        path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        query: "",
        headers: &[],
        body: "",
        in_header: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        in_query: "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005",
    },
    Vector {
        name: "get-utf8",
        method: "GET",
        path: "/ሴ",
        query: "",
        headers: &[],
        body: "",
        in_header: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        in_query: "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44",
    },
    Vector {
        name: "get-vanilla",
        method: "GET",
        path: "/",
        query: "",
        headers: &[],
        body: "",
        in_header: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        in_query: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
    },
    Vector {
        name: "get-vanilla-empty-query-key",
        method: "GET",
        path: "/",
        query: "Param1=value1",
        headers: &[],
        body: "",
        in_header: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        in_query: "49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de",
    },
    Vector {
        name: "get-vanilla-query-order-encoded",
        method: "GET",
        path: "/",
        query: "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        headers: &[],
        body: "",
        in_header: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        in_query: "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
    },
    Vector {
        name: "get-vanilla-query-order-key-case",
        method: "GET",
        path: "/",
        query: "Param2=value2&Param1=value1",
        headers: &[],
        body: "",
        in_header: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        in_query: "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
    },
    Vector {
        name: "get-vanilla-query-unreserved",
        method: "GET",
        path: "/",
        query: "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        headers: &[],
        body: "",
        in_header: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        in_query: "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
    },
    Vector {
        name: "get-vanilla-utf8-query",
        method: "GET",
        path: "/",
        query: "ሴ=bar",
        headers: &[],
        body: "",
        in_header: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        in_query: "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
    },
    Vector {
        name: "post-header-key-case",
        method: "POST",
        path: "/",
        query: "",
        headers: &[],
        body: "",
        in_header: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        in_query: "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b",
    },
    Vector {
        name: "post-header-key-sort",
        method: "POST",
        path: "/",
        query: "",
        headers: &[("my-header1", "value1")],
        body: "",
        in_header: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        in_query: "c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7",
    },
    Vector {
        name: "post-header-value-case",
        method: "POST",
        path: "/",
        query: "",
        headers: &[("my-header1", "VALUE1")],
        body: "",
        in_header: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        in_query: "0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed",
    },
    Vector {
        name: "post-vanilla",
        method: "POST",
        path: "/",
        query: "",
        headers: &[],
        body: "",
        in_header: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        in_query: "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b",
    },
    Vector {
        name: "post-vanilla-empty-query-value",
        method: "POST",
        path: "/",
        query: "Param1=value1",
        headers: &[],
        body: "",
        in_header: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        in_query: "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682",
    },
    Vector {
        name: "post-x-www-form-urlencoded",
        method: "POST",
        path: "/",
        query: "",
        headers: &[("content-type", "application/x-www-form-urlencoded"), ("content-length", "13")],
        body: "Param1=value1",
        in_header: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        in_query: "89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9",
    },
    Vector {
        name: "post-x-www-form-urlencoded-parameters",
        method: "POST",
        path: "/",
        query: "",
        headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("content-length", "13")],
        body: "Param1=value1",
        in_header: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        in_query: "0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d",
    },
];
