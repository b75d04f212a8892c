package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// errNoFlag: the linker is another than the one that this was written for.
var errNoFlag = errors.New("there is no DF_1_NODELETE to clear: this Go is unknown to Romanesco, see internal/tools/deletable")

// Clear takes DF_1_NODELETE out of the bytes of a 64-bit ELF file.
func Clear(b []byte) error {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return err
	}
	dynamic := f.SectionByType(elf.SHT_DYNAMIC)
	if f.Class != elf.ELFCLASS64 || dynamic == nil {
		return errNoFlag
	}
	const entry = 16 // a tag and a value
	for at := dynamic.Offset; at+entry <= min(dynamic.Offset+dynamic.Size, uint64(len(b))); at += entry {
		value := b[at+8 : at+entry]
		if elf.DynTag(f.ByteOrder.Uint64(b[at:])) != elf.DT_FLAGS_1 {
			continue
		}
		flags := elf.DynFlag1(f.ByteOrder.Uint64(value))
		if flags&elf.DF_1_NODELETE == 0 {
			return errNoFlag
		}
		f.ByteOrder.PutUint64(value, uint64(flags&^elf.DF_1_NODELETE))
		return nil
	}
	return fmt.Errorf("%w: it has no DT_FLAGS_1", errNoFlag)
}
