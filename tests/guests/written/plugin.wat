;; A plugin by hand: a core module, lifted as the whole of `settings` and `request-hook`. `tests/src/written.rs` puts
;; what a hostile guest does in the place of each `{name}`; without that it allows every request.
(component
  ;; A clock tells a request from the loading, at which it stands at zero: so a guest can behave until it serves.
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (type $datetime-of-clock (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime-of-clock)))
    (export "now" (func (result $datetime)))))
{component}
  (core module $memory (memory (export "memory") {pages}) {data})
  (core instance $memory (instantiate $memory))
  (core func $now (canon lower (func $clock "now") (memory (core memory $memory "memory"))))
  (core module $guest
    (import "host" "memory" (memory {pages}))
    (import "host" "now" (func $now (param i32)))
    ;; 256: words. 1024: what `describe` returns, and its one capability. 1064: the schema. 1072: `configure` has no
    ;; problem. 2048: the answer, an allow without notes.
    (data (i32.const 256) "wat-0.1.0---shape---{}---code---message")
    (data (i32.const 1024)
      "\00\01\00\00\03\00\00\00" "\04\01\00\00\05\00\00\00" "\20\04\00\00\01\00\00\00" "\00\00\00\00\00\00\00\00"
      "\0c\01\00\00\05\00\00\00" "\14\01\00\00\02\00\00\00")
    (global $free (mut i32) (i32.const 8192))
    (func $serving (result i32)
      (call $now (i32.const 3072))
      (i64.ne (i64.load (i32.const 3072)) (i64.const 0)))
    (func $end-of-memory (result i32) (i32.shl (memory.size) (i32.const 16)))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      {realloc}
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (call $end-of-memory))
        (then (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))))
      (local.get $at))
    (func (export "describe") (result i32) {describe} (i32.const 1024))
    (func (export "schema") (result i32) {schema} (i32.const 1064))
    (func (export "configure") (param $text i32) (param $length i32) (result i32) {configure} (i32.const 1072))
    (func (export "on-request") (param $request i32) (result i32) {on-request} (i32.const 2048))
    (func (export "answered") (param $answer i32) {answered})
    (func $start {start})
    (start $start)
{module})
  (core instance $guest (instantiate $guest
    (with "host" (instance (export "memory" (memory $memory "memory")) (export "now" (func $now))))))

{types}
  (func $describe (result $description)
    (canon lift (core func $guest "describe") (memory (core memory $memory "memory"))))
  (func $schema (result string)
    (canon lift (core func $guest "schema") (memory (core memory $memory "memory"))))
  (func $configure (param "settings" string) (result (result (error (list $problem))))
    (canon lift (core func $guest "configure") (memory (core memory $memory "memory")) (realloc (core func $guest "realloc"))))
  (func $on-request (param "request" $request) (result $answer)
    (canon lift (core func $guest "on-request") (memory (core memory $memory "memory")) (realloc (core func $guest "realloc"))
      (post-return (core func $guest "answered"))))

  ;; An interface names its types, so each is exported by a component that takes them.
  (component $settings-shape
{imported types}
    (import "describe" (func $describe (result $description)))
    (import "schema" (func $schema (result string)))
    (import "configure" (func $configure (param "settings" string) (result (result (error (list $problem))))))
{exported types}
    (export "describe" (func $describe) (func (result $description-out)))
    (export "schema" (func $schema) (func (result string)))
    (export "configure" (func $configure)
      (func (param "settings" string) (result (result (error (list $problem-out)))))))
  (instance $settings (instantiate $settings-shape
{given types}
    (with "describe" (func $describe)) (with "schema" (func $schema)) (with "configure" (func $configure))))
  (export "wardlock:policy/settings@0.1.0" (instance $settings))
  (component $hook-shape
{imported types}
    (import "on-request" (func $on-request (param "request" $request) (result $answer)))
{exported types}
    (export "on-request" (func $on-request) (func (param "request" $request-out) (result $answer-out))))
  (instance $hook (instantiate $hook-shape
{given types}
    (with "on-request" (func $on-request))))
  (export "wardlock:policy/request-hook@0.1.0" (instance $hook)))
