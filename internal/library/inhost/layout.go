package main

// #include "core_call.h"
import "C"

import (
	"unsafe"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
)

// The same in memory here and in C, or this does not compile. TestLayout compares all.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(shared.Link{})-C.sizeof_struct_link]
	_ = [1]struct{}{}[unsafe.Offsetof(shared.Link{}.Log)-unsafe.Offsetof(C.struct_link{}.log)]
	_ = [1]struct{}{}[unsafe.Sizeof(spool.Header{})-C.sizeof_struct_link_spool]
	_ = [1]struct{}{}[unsafe.Offsetof(spool.Header{}.Class)-unsafe.Offsetof(C.struct_link_spool{}.class_name)]
	_ = [1]struct{}{}[unsafe.Offsetof(spool.Header{}.Ring)-unsafe.Offsetof(C.struct_link_spool{}.ring)]
	_ = [1]struct{}{}[core.Connected-C.LINK_CONNECTED]
	_ = [1]struct{}{}[core.Trying-C.LINK_TRYING]
)
