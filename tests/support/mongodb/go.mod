// FerretDB, a server of MongoDB's protocol; scripts/dev-mongodb builds it from its own sources.
module motorcade/devmongodb

go 1.24

require github.com/FerretDB/FerretDB v1.24.2
