package abi_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

// recorded is testdata/abi/libbroccoli-5.1.json.
type recorded struct {
	Soname    string
	Functions []struct {
		Name    string
		Returns string
		Params  string
	}
	FunctionPointerTypedefs []string `json:"function_pointer_typedefs"`
	Macros                  map[string]string
	Structs                 map[string]struct {
		Size   int64
		Fields []struct {
			Name   string
			Offset int64
			Size   int64
		}
	} `json:"structs_bytes"`
	Scalars   map[string]int64 `json:"scalar_typedef_bytes"`
	Variables []struct {
		Name string
		Type string
	}
}

// The original's header declares this constant too, and its library exports it;
// the record leaves it out.
const mappedPrefix = "BRO_IPV4_MAPPED_PREFIX"

func load(t *testing.T) recorded {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "testdata", "abi", "libbroccoli-5.1.json"))
	require.NoError(t, err)
	var r recorded
	require.NoError(t, json.Unmarshal(text, &r))
	require.Len(t, r.Functions, 98)
	require.Len(t, r.Variables, 2)
	return r
}

// names of the functions, and of functions and variables.
func (r recorded) names() (functions, all []string) {
	for _, f := range r.Functions {
		functions = append(functions, f.Name)
	}
	all = append(all, functions...)
	for _, v := range r.Variables {
		all = append(all, v.Name)
	}
	return functions, append(all, mappedPrefix)
}
