// Part of package runtime/cgo in the build of the core alone.

package cgo

import _ "unsafe" // for go:linkname

//go:cgo_import_static x_cgo_guest_args
//go:linkname x_cgo_guest_args x_cgo_guest_args
//go:linkname _cgo_guest_args _cgo_guest_args
var x_cgo_guest_args byte
var _cgo_guest_args = &x_cgo_guest_args

//go:cgo_import_static romanesco_opened
//go:linkname romanesco_opened romanesco_opened
//go:linkname _cgo_guest_opened _cgo_guest_opened
var romanesco_opened byte
var _cgo_guest_opened = &romanesco_opened
