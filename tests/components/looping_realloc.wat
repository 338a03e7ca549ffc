;; Loops in the allocator that the host calls to hand over a string.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type $request' (sub resource)))
    (export "response-outparam" (type (sub resource)))
    (export "[method]incoming-request.path-with-query"
      (func (param "self" (borrow $request')) (result (option string))))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $outparam))
  (alias export $types "[method]incoming-request.path-with-query" (func $path))
  (core module $allocator
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (loop (br 0))
      unreachable))
  (core instance $allocator (instantiate $allocator))
  (core func $path (canon lower (func $path)
    (memory (core memory $allocator "memory")) (realloc (core func $allocator "realloc"))))
  (core module $module
    (import "host" "path" (func $path (param i32 i32)))
    (func (export "handle") (param i32 i32)
      (call $path (local.get 0) (i32.const 0))))
  (core instance $host (export "path" (func $path)))
  (core instance $instance (instantiate $module (with "host" (instance $host))))
  (func $handle (param "request" (own $request)) (param "response-out" (own $outparam))
    (canon lift (core func $instance "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
