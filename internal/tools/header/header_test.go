package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHeaderIsCurrent(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	want, err := Generate(filepath.Join(root, "capi", "broccoli.h.in"), filepath.Join(root, "capi"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(root, "include", "broccoli.h"))
	require.NoError(t, err)
	assert.True(t, string(want) == string(got), "include/broccoli.h is not current: run 'make header'")
}

const doc = "/**\n * Says so.\n */\n"

func TestParse(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"function": {
			"BRO_API int\nbro_a(const char *s)\n{\n}\n",
			"int bro_a(const char *s);",
		},
		"pointer": {
			"BRO_API const char *\nbro_a(void)\n{\n}\n",
			"const char *bro_a(void);",
		},
		"more lines": {
			"BRO_API void\nbro_a(int a,\n      int b)\n{\n}\n",
			"void bro_a(int a, int b);",
		},
		"long": {
			"BRO_API int\nbro_event_registry_add_something(BroConn *bc, const char *event_name, BroEventFunc func,\n" +
				"    void *user_data)\n{\n}\n",
			"int bro_event_registry_add_something(BroConn *bc, const char *event_name,\n" +
				"                                     BroEventFunc func, void *user_data);",
		},
		"variable": {
			"BRO_API int bro_a = 0;\n",
			"extern int bro_a;",
		},
		"array": {
			"BRO_API const uint8 bro_a[12] = {\n    1, 2,\n};\n",
			"extern const uint8 bro_a[12];",
		},
	} {
		decls, err := Parse("x.c", "static int other(void);\n\n"+doc+c.text)
		if assert.NoError(t, err, name) && assert.Len(t, decls, 1, name) {
			assert.Equal(t, c.want, decls[0].declaration, name)
			assert.Equal(t, "/**\n * Says so.\n */", decls[0].comment, name)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"BRO_API int\nbro_a(void)\n{\n}\n":                   "x.c:1: BRO_API without a /** comment",
		"/* Says so. */\nBRO_API int\nbro_a(void)\n{\n}\n":   "x.c:2: BRO_API without a /** comment",
		doc + "\nBRO_API int\nbro_a(void)\n{\n}\n":           "x.c:5: BRO_API without a /** comment",
		doc + "BRO_API int bro_a(void)\n{\n}\n":              "x.c:4: BRO_API and the type of the result",
		doc + "BRO_API int\nbro_a(void);\n":                  "x.c:4: no '{'",
		doc + "BRO_API int\nbro_a()\n{\n}\n":                 "x.c:5: write bro_a(void)",
		doc + "BRO_API int\nint bro_a(void)\n{\n}\n":         "x.c:5: this is not a name",
		doc + "BRO_API int bro_a = {\n":                      "x.c:4: the variable does not end",
		"/**\n * Says so.\nBRO_API int\nbro_a(void)\n{\n}\n": "x.c:1: the comment does not end",
	} {
		_, err := Parse("x.c", text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	write("one.c", doc+"BRO_API int\nbro_b(void)\n{\n}\n\n"+doc+"BRO_API int\nbro_a(void)\n{\n}\n")
	write("two.c", doc+"BRO_API int bro_c = 0;\n")

	header, err := Generate(write("ok.in", "start\n@functions two one none@\nend\n"), dir)
	require.NoError(t, err)
	assert.Equal(t, "start\n"+doc+"extern int bro_c;\n\n"+doc+"int bro_b(void);\n\n"+
		doc+"int bro_a(void);\nend\n", string(header))

	_, err = Generate(write("lacking.in", "@functions one@\n"), dir)
	assert.ErrorContains(t, err, "two.c:4: bro_c is exported")
	_, err = Generate(write("again.in", "@functions one@\n@functions two one@\n"), dir)
	assert.ErrorContains(t, err, "again.in:2")
	_, err = Generate(write("unknown.in", "@other@\n"), dir)
	assert.ErrorContains(t, err, "unknown.in:1")

	write("three.c", doc+"BRO_API int\nbro_a(void)\n{\n}\n")
	_, err = Generate(filepath.Join(dir, "ok.in"), dir)
	assert.ErrorContains(t, err, "is defined in")
}
