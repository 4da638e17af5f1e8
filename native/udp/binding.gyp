{
  "variables": { "sanitized%": 0 },
  "targets": [{
    "target_name": "udp",
    "sources": ["addon.cc", "addresses.cc", "socket-object.cc", "socket.cc"],
    "defines": ["NAPI_VERSION=8"],
    "cflags_cc": ["-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
    "conditions": [
      ["OS=='linux'", { "ldflags": ["-Wl,-z,now"] }],
      ["sanitized==1", {
        "cflags": ["-O1", "-g", "-fsanitize=address", "-fno-omit-frame-pointer"],
        "ldflags": ["-fsanitize=address"]
      }]
    ]
  }]
}
