package abi_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/cc/v4"
)

// Declarations of the record are read beside those of the header, under names with this prefix.
const prefix = "recorded_"

// translate reads the header and, after it, more C.
func translate(t *testing.T, more string) *cc.AST {
	t.Helper()
	config, err := cc.NewConfig(runtime.GOOS, runtime.GOARCH)
	require.NoError(t, err)
	config.IncludePaths = append([]string{filepath.Join(root, "include")}, config.IncludePaths...)
	ast, err := cc.Translate(config, []cc.Source{
		{Name: "<predefined>", Value: config.Predefined},
		{Name: "<builtin>", Value: cc.Builtin},
		{Name: "abi.c", Value: `
#include <sys/time.h>
struct pcap_pkthdr { struct timeval ts; unsigned int caplen, len; };
#define BROCCOLI_HAVE_PCAP_PKTHDR
#include "broccoli.h"
` + more},
	})
	require.NoError(t, err)
	return ast
}

// find returns the declaration of a name, or nil.
func find(ast *cc.AST, name string) *cc.Declarator {
	for _, node := range ast.Scope.Nodes[name] {
		if d, ok := node.(*cc.Declarator); ok {
			return d
		}
	}
	return nil
}

// spell writes a type without its typedefs, so that equal types are equal strings.
func spell(typ cc.Type) string {
	var s string
	switch typ := typ.(type) {
	case *cc.PointerType:
		s = spell(typ.Elem()) + "*"
	case *cc.ArrayType:
		s = fmt.Sprintf("%s[%d]", spell(typ.Elem()), typ.Len())
	case *cc.FunctionType:
		var params []string
		for _, p := range typ.Parameters() {
			params = append(params, spell(p.Type()))
		}
		if typ.IsVariadic() {
			params = append(params, "...")
		}
		s = fmt.Sprintf("%s(%s)", spell(typ.Result()), strings.Join(params, ", "))
	case *cc.StructType:
		tag := typ.Tag()
		s = "struct " + tag.SrcStr()
	default:
		s = typ.Kind().String()
	}
	if a := typ.Attributes(); a != nil && a.IsConst() {
		s = "const(" + s + ")"
	}
	return s
}

// same asserts that the header declares name as the record does.
func same(t *testing.T, ast *cc.AST, name string) {
	t.Helper()
	ours, theirs := find(ast, name), find(ast, prefix+name)
	require.NotNil(t, theirs, "the record's %s", name)
	if assert.NotNil(t, ours, "include/broccoli.h lacks %s", name) {
		assert.Equal(t, spell(theirs.Type()), spell(ours.Type()), name)
	}
}

func TestFunctions(t *testing.T) {
	r := load(t)
	var more strings.Builder
	for _, f := range r.Functions {
		fmt.Fprintf(&more, "%s %s%s(%s);\n", f.Returns, prefix, f.Name, f.Params)
	}
	ast := translate(t, more.String())
	for _, f := range r.Functions {
		same(t, ast, f.Name)
	}

	var declared []string
	for name := range ast.Scope.Nodes {
		d := find(ast, name)
		if d != nil && !d.IsTypename() && d.Type().Kind() == cc.Function &&
			filepath.Base(d.Position().Filename) == "broccoli.h" {
			declared = append(declared, name)
		}
	}
	functions, _ := r.names()
	assert.ElementsMatch(t, functions, declared)
}

// The comparison itself must see differences.
func TestSpell(t *testing.T) {
	ast := translate(t, `
const char *a(const BroConn *bc, int n);
char *b(const BroConn *bc, int n);
const char *c(BroConn *bc, int n);
const char *d(const BroConn *bc, unsigned n);
const char *e(const BroConn *bc, int n, ...);
const char *f(const struct bro_conn *, int);
const u_char *g(void);
const uint8 *h(void);
`)
	is := func(name string) string { return spell(find(ast, name).Type()) }
	for _, other := range []string{"b", "c", "d", "e"} {
		assert.NotEqual(t, is("a"), is(other), other)
	}
	assert.Equal(t, is("a"), is("f"))
	assert.Equal(t, is("g"), is("h"))
}

func TestVariables(t *testing.T) {
	r := load(t)
	var more strings.Builder
	for _, v := range r.Variables {
		fmt.Fprintf(&more, "extern %s %s%s;\n", v.Type, prefix, v.Name)
	}
	fmt.Fprintf(&more, "extern const uint8 %s%s[12];\n", prefix, mappedPrefix)
	ast := translate(t, more.String())
	same(t, ast, mappedPrefix)
	for _, v := range r.Variables {
		same(t, ast, v.Name)
	}
}

func TestFunctionPointers(t *testing.T) {
	r := load(t)
	pointer := regexp.MustCompile(`\(\*(\w+)\)`)
	var names []string
	var more strings.Builder
	for _, typedef := range r.FunctionPointerTypedefs {
		m := pointer.FindStringSubmatch(typedef)
		require.NotNil(t, m, typedef)
		if m[1] == "pcap_handler" {
			continue // libpcap's own, seen through its header
		}
		names = append(names, m[1])
		more.WriteString(pointer.ReplaceAllString(typedef, "(*"+prefix+"$1)") + "\n")
	}
	assert.Len(t, names, 10)
	ast := translate(t, more.String())
	for _, name := range names {
		same(t, ast, name)
	}
}

func TestMacros(t *testing.T) {
	r := load(t)
	ast := translate(t, "")
	for name, value := range r.Macros {
		macro := ast.Macros[name]
		if !assert.NotNil(t, macro, "include/broccoli.h lacks %s", name) || name == "BRO_PCAP_SUPPORT" {
			continue // which has no value
		}
		var ours strings.Builder
		for _, token := range macro.ReplacementList() {
			ours.WriteString(token.SrcStr())
		}
		assert.Equal(t, strings.ReplaceAll(value, " ", ""), strings.ReplaceAll(ours.String(), " ", ""), name)
	}
}

// TestNothingExtra: the header has no names of Broccoli's beyond those recorded.
func TestNothingExtra(t *testing.T) {
	r := load(t)
	ast := translate(t, "")
	known := map[string]bool{
		// How the header finds out about pcap.h, and who it is.
		"BROCCOLI_H": true, "BROCCOLI_HAVE_PCAP_PKTHDR": true, mappedPrefix: true,
	}
	for name := range r.Macros {
		known[name] = true
	}
	for name := range r.Scalars {
		known[name] = true
	}
	for name := range r.Structs {
		known[name] = true
	}
	for _, typedef := range r.FunctionPointerTypedefs {
		known[regexp.MustCompile(`\(\*(\w+)\)`).FindStringSubmatch(typedef)[1]] = true
	}
	_, names := r.names()
	for _, name := range names {
		known[name] = true
	}
	for _, f := range r.Functions { // opaque types are recorded by their use
		for _, word := range regexp.MustCompile(`\w+`).FindAllString(f.Returns+" "+f.Params, -1) {
			known[word] = true
		}
	}
	var extra []string
	for name, macro := range ast.Macros {
		if filepath.Base(macro.Position().Filename) == "broccoli.h" && !known[name] {
			extra = append(extra, name)
		}
	}
	for name := range ast.Scope.Nodes {
		if d := find(ast, name); d != nil && filepath.Base(d.Position().Filename) == "broccoli.h" && !known[name] {
			extra = append(extra, name)
		}
	}
	assert.Empty(t, extra)
}

func TestScalars(t *testing.T) {
	r := load(t)
	ast := translate(t, "")
	for name, size := range r.Scalars {
		d := find(ast, name)
		if assert.NotNil(t, d, "include/broccoli.h lacks %s", name) {
			assert.True(t, d.IsTypename(), name)
			assert.Equal(t, size, d.Type().Size(), name)
			assert.True(t, cc.IsIntegerType(d.Type()) && !cc.IsSignedInteger(d.Type()), "%s is unsigned", name)
		}
	}
}

func TestStructs(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("sizes and offsets were recorded on x86-64")
	}
	r := load(t)
	ast := translate(t, "")
	for name, want := range r.Structs {
		d := find(ast, name)
		if !assert.NotNil(t, d, "include/broccoli.h lacks %s", name) {
			continue
		}
		typ, ok := d.Type().(*cc.StructType)
		require.True(t, ok, name)
		assert.Equal(t, want.Size, typ.Size(), name)
		assert.Equal(t, len(want.Fields), typ.NumFields(), name)
		for _, field := range want.Fields {
			f := typ.FieldByName(field.Name)
			if assert.NotNil(t, f, "%s.%s", name, field.Name) {
				assert.Equal(t, field.Offset, f.Offset(), "%s.%s", name, field.Name)
				assert.Equal(t, field.Size, f.Type().Size(), "%s.%s", name, field.Name)
			}
		}
	}
}
