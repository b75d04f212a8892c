package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParse(t *testing.T) {
	assert.Equal(t, []target{{"romanesco/a", "FuzzOne"}, {"romanesco/a", "FuzzTwo"}, {"romanesco/c", "FuzzOne"}},
		parse("FuzzOne\nFuzzTwo\nok  \tromanesco/a\t0.003s\n"+
			"?   \tromanesco/b\t[no test files]\n"+
			"ok  \tromanesco/d\t0.003s\n"+
			"FuzzOne\nok  \tromanesco/c\t(cached)\n"))
}
