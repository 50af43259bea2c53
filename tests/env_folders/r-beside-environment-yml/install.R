stop('ignored')
