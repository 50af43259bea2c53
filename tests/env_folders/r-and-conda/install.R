stop('hidden')
