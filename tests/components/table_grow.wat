;; Grows a table until the host refuses, then gives up.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $outparam))
  (core module $module
    (table $table 1 funcref)
    (func (export "handle") (param i32 i32)
      (loop
        (br_if 0 (i32.ge_s (table.grow $table (ref.null func) (i32.const 1000)) (i32.const 0))))
      unreachable))
  (core instance $instance (instantiate $module))
  (func $handle (param "request" (own $request)) (param "response-out" (own $outparam))
    (canon lift (core func $instance "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
