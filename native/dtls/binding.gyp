{
  "variables": { "sanitized%": 0 },
  "targets": [{
    "target_name": "dtls",
    "sources": [
      "addon.cc",
      "context-object.cc",
      "context.cc",
      "cookies.cc",
      "datagram-bio.cc",
      "napi-values.cc",
      "openssl-errors.cc",
      "record-filter.cc",
      "resumption.cc",
      "session-object.cc",
      "session.cc",
      "suites.cc",
      "trust.cc"
    ],
    "defines": ["NAPI_VERSION=8", "OPENSSL_API_COMPAT=30000"],
    "cflags_cc": ["-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
    "conditions": [
      # All symbols are found when the addon is loaded, or it is not loaded: none is missed in the middle of a handshake.
      ["OS=='linux'", { "ldflags": ["-Wl,-z,now"] }],
      ["sanitized==1", {
        "cflags": ["-O1", "-g", "-fsanitize=address", "-fno-omit-frame-pointer"],
        "ldflags": ["-fsanitize=address"]
      }]
    ]
  }]
}
